#!/bin/bash
# Refuse a model base path that TensorFlow Serving could not serve from inside an image.
#
#   check_model.sh FOLDER
#
# FOLDER/<integer>/ must hold a whole SavedModel of real files. DVC may have put links to its cache
# there (cache.type), which a build copies as links, dead in the image. Where a version has a
# manifest (rhymes/versions/model_folder.py), each file must have the bytes that it names, so that a folder
# caught while `dvc repro` fills it is not packed.
set -u -o pipefail

base=${1:?usage: check_model.sh FOLDER}

refuse() {
  printf 'check_model: %s\n' "$@" >&2
  exit 1
}

# Prints "<sha256>  <path>" for each entry, as sha256sum reads it.
manifest_to_sums() {
  local line path=''
  while IFS= read -r line; do
    if [[ $line =~ ^[[:space:]]*\"path\":\ \"(.*)\",?$ ]]; then
      path=${BASH_REMATCH[1]}
    elif [[ $line =~ ^[[:space:]]*\"sha256\":\ \"([0-9a-f]{64})\",?$ ]]; then
      printf '%s  %s\n' "${BASH_REMATCH[1]}" "$path"
    fi
  done <"$1"
}

[[ -d $base ]] || refuse "$base is not there. Make it with \`make repro\`, or \`dvc pull models/detector\`."

link=$(find "$base" -type l -print -quit) || refuse "$base cannot be read."
[[ -z $link ]] || refuse \
  "$link is a link to $(readlink "$link"), which an image does not have." \
  "DVC links files of its cache here. Let it copy them, then build again:" \
  "  dvc config --local cache.type reflink,copy && dvc checkout --relink models/detector"

versions=0
for folder in "$base"/*/; do
  folder=${folder%/}
  [[ ${folder##*/} =~ ^[0-9]+$ ]] || continue
  [[ -s $folder/saved_model.pb ]] || refuse "$folder has no saved_model.pb, or an empty one: not a whole SavedModel."
  manifest=$folder/assets.extra/manifest.json
  if [[ -e $manifest ]]; then
    sums=$(manifest_to_sums "$manifest")
    [[ -n $sums ]] || refuse "$manifest names no files: it is broken."
    (cd "$folder" && sha256sum --check --quiet <<<"$sums" >&2) || refuse \
      "$folder is not what its manifest says. Wait for \`dvc repro\` to end, or run it, then build again."
  fi
  versions=$((versions + 1))
done
((versions > 0)) || refuse "$base has no version: expected a SavedModel in $base/<integer>/."
printf 'check_model: %s holds %d version(s), whole\n' "$base" "$versions"
