#!/bin/sh
# Every picture of a folder at several lambdas, through the WebUI's API, with curl, base64 and sed alone.
#
#     PROMPT="a chair" LAMBDAS="0.3 0.5 0.7" sh examples/sweep.sh PICTURES RESULTS [http://127.0.0.1:7860]
#
# needs a WebUI that was started with --api. It ends with 1 if a picture could not be used.
set -eu

pictures=$1
results=$2
url=${3:-http://127.0.0.1:7860}
prompt=$(printf %s "${PROMPT:-}" | sed 's/["\\]/\\&/g')
steps=${STEPS:-20}
size=${SIZE:-512}
seed=${SEED:-1}

mkdir -p "$results"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

for picture in "$pictures"/*.png "$pictures"/*.jpg "$pictures"/*.jpeg "$pictures"/*.webp; do
    [ -f "$picture" ] || continue
    name=$(basename "$picture")
    for lambda in ${LAMBDAS:-0.3 0.5 0.7}; do
        {
            printf '{"prompt": "%s", "steps": %s, "width": %s, "height": %s, "seed": %s, ' \
                "$prompt" "$steps" "$size" "$size" "$seed"
            printf '"alwayson_scripts": {"InDetail": {"args": [{"lambda_image": %s, "image": "' "$lambda"
            base64 < "$picture" | tr -d '\n'
            printf '"}]}}}'
        } > "$work/request.json"
        status=$(curl -sS -o "$work/answer.json" -w '%{http_code}' -H 'Content-Type: application/json' \
            --data-binary "@$work/request.json" "$url/sdapi/v1/txt2img")
        if [ "$status" != 200 ]; then
            printf '%s: %s\n' "$name" "$(sed 's/.*"errors":"\(.*\)"}$/\1/' "$work/answer.json")" >&2
            failed=1
            break
        fi
        result=$results/${name%.*}-lambda-$lambda.png
        sed 's/^{"images":\["\([^"]*\)".*/\1/' "$work/answer.json" | base64 -d > "$result"
        printf '%s\n' "$result"
    done
done
exit $failed
