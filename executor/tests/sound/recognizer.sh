#!/bin/sh
# In the place of pocketsphinx: does what the file `does` in the folder of the acoustic model says.
while [ $# -gt 0 ]; do
    if [ "$1" = -hmm ]; then
        folder=$2
    fi
    shift
done
. "$folder/does"
