"""Why a stage ran again, or would: its command, parameters, files and outputs, then and now."""
