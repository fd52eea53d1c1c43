"""Predict on images with a model server, and write what annotators and the pipeline read.

    rhymes predict FILES... --out DIR      (`rhymes serve` starts a server)

DIR/annotations.csv is an export in the platform's own dialect, a pre-annotation: with
`raw.export: DIR` in params.yaml it is the pipeline's input.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from rhymes.client.client import DetectorClient
from rhymes.client.errors import ServingError
from rhymes.common.addresses import ADDRESS_VARIABLE, server_address
from rhymes.common.arguments import add_former_flags, command_parser, positive
from rhymes.common.errors import error_to_text
from rhymes.export.dialects import DIALECTS
from rhymes.predictions.image_list import ImageList, path_to_text, paths_to_images
from rhymes.predictions.prediction_files import FAILURES, check_out
from rhymes.predictions.prediction_run import RunOptions, RunResult, predict_images

_LISTED = 20
_FORMER = {
    "--label_map": "--label-map",
    "--image_url_prefix": "--image-url-prefix",
    "--no-pictures": "--no-images",
}

_DESCRIPTION = """\
Find objects in images with a model server, and write a folder of predictions.

DIR gets annotations.csv with categories.csv (an export that the pipeline reads: set raw.export to
DIR), copies of the images in images/, annotated images in drawings/, one prediction an image
in json/, coco_results.json (all parts of masks) with coco_images.json, failures.csv and
prediction.json.
"""

_EPILOG = """\
An image that fails is listed at the end and in failures.csv; the others are written. Ctrl-C, and a
server that is gone for good, end the run; what is complete by then is written.

Exit code: 0 all images written; 1 some failed, or the run ended early or could not begin; 2 wrong
arguments; 130 Ctrl-C.
"""


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line; wrong arguments end the program with code 2."""
    usage = "rhymes predict FILES... --out DIR [options]"
    parser = command_parser("predict", _DESCRIPTION, _EPILOG, usage)
    parser.add_argument(
        "files", nargs="+", type=Path, metavar="FILES",
        help="images, and folders: of these all images in them at any depth, sorted; names "
        "that begin with a dot, and DIR itself, are left out",
    )  # fmt: skip
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder to write")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace DIR where an earlier run wrote it"
    )
    _add_server_arguments(parser)
    _add_output_arguments(parser)
    add_former_flags(parser, _FORMER)
    return parser.parse_args(arguments)


def _add_server_arguments(parser: argparse.ArgumentParser) -> None:
    server = parser.add_argument_group("the server")
    server.add_argument(
        "--server", metavar="ADDRESS", default=server_address(),
        help=f"host:port of its gRPC (${ADDRESS_VARIABLE}; now %(default)s)",
    )  # fmt: skip
    server.add_argument("--model", default="detector", help="name (%(default)s)")
    which = server.add_mutually_exclusive_group()
    which.add_argument("--version", type=positive, metavar="N", help="number (default: the latest)")
    which.add_argument("--label", help="of a version, such as stable")
    server.add_argument(
        "--label-map", type=Path, metavar="FILE",
        help="label_map.pbtxt with the class names of a model that does not tell them",
    )  # fmt: skip
    server.add_argument(
        "--timeout", type=_seconds, default=30.0, metavar="SECONDS",
        help="for one image (%(default)g)",
    )  # fmt: skip
    server.add_argument(
        "--workers", type=positive, default=4, metavar="N",
        help="images at a time (%(default)d); each takes up to 16 bytes of memory a pixel",
    )  # fmt: skip


def _add_output_arguments(parser: argparse.ArgumentParser) -> None:
    output = parser.add_argument_group("what is written")
    output.add_argument(
        "--score", type=_fraction, default=0.5, metavar="X",
        help="write objects of at least this score, 0 to 1 (%(default)g)",
    )  # fmt: skip
    output.add_argument(
        "--dialect", choices=tuple(DIALECTS),
        help="of annotations.csv (default: polygons where the model gives masks)",
    )  # fmt: skip
    output.add_argument(
        "--rank", choices=("input", "uncertain"), default="input",
        help="order of annotations.csv: as given, or first those images that would teach the "
        "model most, judged by all that it found, of whatever score (%(default)s)",
    )  # fmt: skip
    output.add_argument("--no-images", action="store_true", help="draw no annotated images")
    output.add_argument(
        "--image-url-prefix", metavar="URL",
        help="the images lie at this URL followed by their path below their folder: copy none, "
        "and name them so in annotations.csv",
    )  # fmt: skip


def _fraction(text: str) -> float:
    return _number(text, 0, 1)


def _seconds(text: str) -> float:
    return _number(text, 0.001, 86_400)


def _number(text: str, minimum: float, maximum: float) -> float:
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not minimum <= number <= maximum:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number from {minimum:g} to {maximum:g}"
        )
    return number


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code (see the help)."""
    options = parse_arguments(arguments)
    out = Path(os.path.realpath(options.out))
    try:
        options.no_images = options.no_images or not _can_draw()
        check_out(out, overwrite=options.overwrite)
        listed = paths_to_images(options.files, out, options.image_url_prefix)
        with _open_client(options) as client:
            result = predict_images(client, listed, _run_options(options, out))
    except ServingError as error:
        return _complain(str(error), 1)
    print("\n".join(_result_to_lines(result, listed, path_to_text(options.out))))
    return _report_problems(result)


def _can_draw() -> bool:
    """Whether images can be annotated; where its packages are missing, say so and what cures it."""
    try:
        import rhymes.detections.drawing  # noqa: F401
    except ModuleNotFoundError as error:
        print(
            f"rhymes predict: no annotated images are drawn, for {error.name} is not installed: "
            "pip install 'rhymes-detector[draw]' brings it",
            file=sys.stderr,
        )
        return False
    return True


def _open_client(options: argparse.Namespace) -> DetectorClient:
    return DetectorClient(
        options.server,
        model=options.model,
        version=options.version,
        label=options.label,
        timeout=options.timeout,
        label_map=options.label_map,
    )


def _run_options(options: argparse.Namespace, out: Path) -> RunOptions:
    return RunOptions(
        out,
        score=options.score,
        dialect=DIALECTS[options.dialect] if options.dialect else None,
        rank=options.rank,
        is_drawn=not options.no_images,
        workers=options.workers,
    )


def _result_to_lines(result: RunResult, listed: ImageList, out: str) -> Iterator[str]:
    counts, model = result.counts, result.model
    images = f"{counts.images} of {len(listed.images)} images"
    yield (
        f"predict: {counts.objects} objects in {images} -> {out} "
        f"(model {model.name}, version {model.version})"
    )
    if listed.passed_over:
        yield f"  {listed.passed_over} files of the folders have no image's suffix: passed over"
    if counts.blank:
        yield f"  {counts.blank} images in which nothing at all was found"
    if counts.cut:
        yield (
            f"  {counts.cut} objects in several parts: annotations.csv and json/ have the largest, "
            "coco_results.json has all"
        )
    if counts.empty:
        yield f"  {counts.empty} objects without a pixel in their mask: written as boxes"


def _report_problems(result: RunResult) -> int:
    """Print what went wrong; return the exit code."""
    for failure in result.failures[:_LISTED]:
        print(f"  failed: {failure.file}: {failure.reason}", file=sys.stderr)
    if len(result.failures) > _LISTED:
        more = len(result.failures) - _LISTED
        print(f"  ... and {more} more in {FAILURES}", file=sys.stderr)
    if result.stop is None:
        return 1 if result.failures else 0
    rest = f"{result.untried} images were not tried; what was complete is written"
    if isinstance(result.stop, KeyboardInterrupt):
        return _complain(f"interrupted: {rest}", 130)
    if not isinstance(result.stop, ServingError | OSError):
        raise result.stop
    said = error_to_text(result.stop) if isinstance(result.stop, OSError) else str(result.stop)
    return _complain(f"{said}\n{rest}", 1)


def _complain(text: str, code: int) -> int:
    print(f"rhymes predict: {text}", file=sys.stderr)
    return code
