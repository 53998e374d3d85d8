"""A WAV file in another format, by libsndfile and libgsm, which baresip brings along.

    convert.py FORMAT FROM TO

FORMAT is one of aiff (16 bit), aifc (mu-law), wav-alaw, wav-ulaw, wav-gsm, wav-24, wav-float and gsm (GSM 06.10 without a
header, as a file of .gsm has it). libsndfile has no file format for the last one but calls it raw; libgsm writes it.
"""

import ctypes
import ctypes.util
import sys
import wave
from array import array

WAV, AIFF = 0x010000, 0x020000
PCM_16, PCM_24, FLOAT, ULAW, ALAW, GSM610 = 0x0002, 0x0003, 0x0006, 0x0010, 0x0011, 0x0020
FORMATS = {
    "aiff": AIFF | PCM_16,
    "aifc": AIFF | ULAW,
    "wav-alaw": WAV | ALAW,
    "wav-ulaw": WAV | ULAW,
    "wav-gsm": WAV | GSM610,
    "wav-24": WAV | PCM_24,
    "wav-float": WAV | FLOAT,
}
WRITE, SCALE_FLOATS = 0x20, 0x1015
GSM_SAMPLES, GSM_BYTES = 160, 33


class Info(ctypes.Structure):
    """SF_INFO."""

    _fields_ = [("frames", ctypes.c_int64)] + [
        (name, ctypes.c_int) for name in ("samplerate", "channels", "format", "sections", "seekable")
    ]


def library(name):
    found = ctypes.util.find_library(name)
    if not found:
        sys.exit(f"no lib{name}: is `make deps` done?")
    return ctypes.CDLL(found)


def sndfile(kind, samples, rate, channels, path):
    lib = library("sndfile")
    lib.sf_open.restype = ctypes.c_void_p
    lib.sf_writef_short.restype = ctypes.c_int64
    lib.sf_writef_short.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64]
    lib.sf_close.argtypes = [ctypes.c_void_p]
    info = Info(samplerate=rate, channels=channels, format=FORMATS[kind])
    file = lib.sf_open(path.encode(), WRITE, ctypes.byref(info))
    if not file:
        sys.exit(f"libsndfile does not write {kind}")
    # Samples of a file of floats are between -1 and 1.
    lib.sf_command.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_int]
    lib.sf_command(file, SCALE_FLOATS, None, 1)
    frames = len(samples) // channels
    written = lib.sf_writef_short(file, (ctypes.c_short * len(samples))(*samples), frames)
    if lib.sf_close(file) or written != frames:
        sys.exit(f"{path}: {written} of {frames} frames are written")


def gsm(samples, path):
    lib = library("gsm")
    lib.gsm_create.restype = ctypes.c_void_p
    lib.gsm_encode.argtypes = [ctypes.c_void_p] * 3
    lib.gsm_destroy.argtypes = [ctypes.c_void_p]
    coder, frame = lib.gsm_create(), ctypes.create_string_buffer(GSM_BYTES)
    with open(path, "wb") as file:
        for begin in range(0, len(samples), GSM_SAMPLES):
            block = samples[begin:begin + GSM_SAMPLES]
            block.extend([0] * (GSM_SAMPLES - len(block)))
            lib.gsm_encode(coder, (ctypes.c_short * GSM_SAMPLES)(*block), frame)
            file.write(frame.raw)
    lib.gsm_destroy(coder)


def main(kind, source, target):
    with wave.open(source, "rb") as file:
        samples = array("h", file.readframes(file.getnframes()))
        rate, channels = file.getframerate(), file.getnchannels()
    if kind == "gsm":
        gsm(samples, target)
    else:
        sndfile(kind, samples, rate, channels, target)


if __name__ == "__main__":
    main(*sys.argv[1:])
