#!/usr/bin/env bash
# Prints the machine readings of a topic, whichever version of the schema they were written in: kcat is the consumer, and
# hands each record on as its place, its length in four bytes, and its value; decode.py reads them.
set -o pipefail
here=$(dirname "$0")

kcat -b "${KAFKA_BOOTSTRAP:-localhost:9092}" -G "${GROUP:-fleet-example-kcat}" -X auto.offset.reset=earliest \
    ${RECORDS:+-c "$RECORDS"} -u -f '%p %o %R%s' "${TOPIC:-factory.readings}" |
    PYTHONPATH="$here/../python" "${PYTHON:-python3}" "$here/decode.py"
