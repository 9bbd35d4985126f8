# Sourced by the scripts that need Python packages: environments of their own below .venvs, at the root of the repository.
#
# TORPOR_PYTHON names the interpreter that makes them, 3.11 or newer; `python3` unless set.

# environment NAME REQUIREMENTS: makes the environment hold what the file says, when it does not yet.
environment() {
    local folder=.venvs/$1 requirements=$2 hash
    hash=$(sha256sum <"$requirements")
    if [ "$(cat "$folder/requirements.sha256" 2>/dev/null)" = "$hash" ]; then return; fi
    rm -rf "$folder"
    "${TORPOR_PYTHON:-python3}" -m venv "$folder"
    "$folder/bin/pip" install --quiet --disable-pip-version-check --requirement "$requirements"
    echo "$hash" >"$folder/requirements.sha256"
}
