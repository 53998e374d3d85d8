use super::Sound;

/// The format codes of RIFF that are read: plain samples, µ-law.
const PCM: u16 = 1;
const ULAW: u16 = 7;

/// The channels of a WAV file. A file that its writer has not finished is read to its end, whatever its header says.
#[must_use]
pub fn channels(bytes: &[u8]) -> Option<Vec<Sound>> {
    if bytes.get(..4)? != b"RIFF" || bytes.get(8..12)? != b"WAVE" {
        return None;
    }
    let mut rest = bytes.get(12..)?;
    let mut format = None;
    while let Some((name, length)) = chunk(rest) {
        let body = &rest[8..];
        if name == *b"fmt " {
            format = Format::read(body);
        } else if name == *b"data" {
            let unfinished = length == 0 || length > body.len();
            let end = if unfinished { body.len() } else { length };
            return Some(format?.split(&body[..end]));
        }
        rest = body.get(length + length % 2..)?;
    }
    None
}

fn chunk(bytes: &[u8]) -> Option<([u8; 4], usize)> {
    let name = bytes.get(..4)?.try_into().ok()?;
    let length = u32::from_le_bytes(bytes.get(4..8)?.try_into().ok()?);
    Some((name, length as usize))
}

struct Format {
    code: u16,
    channels: usize,
    rate: u32,
}

impl Format {
    fn read(bytes: &[u8]) -> Option<Self> {
        let word = |at: usize| Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
        let code = word(0)?;
        let bits = word(14)?;
        let is_known = matches!((code, bits), (PCM, 16) | (ULAW, 8));
        let rate = u32::from_le_bytes(bytes.get(4..8)?.try_into().ok()?);
        let channels = usize::from(word(2)?);
        (is_known && channels > 0 && rate > 0).then_some(Self {
            code,
            channels,
            rate,
        })
    }

    fn split(&self, data: &[u8]) -> Vec<Sound> {
        let samples: Vec<i16> = if self.code == ULAW {
            data.iter().map(|byte| from_ulaw(*byte)).collect()
        } else {
            data.chunks_exact(2)
                .map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
                .collect()
        };
        let channel = |number| Sound {
            rate: self.rate,
            samples: samples
                .chunks_exact(self.channels)
                .map(|frame| frame[number])
                .collect(),
        };
        (0..self.channels).map(channel).collect()
    }
}

impl Sound {
    /// A WAV file with so many equal channels.
    #[must_use]
    pub fn wav(&self, channels: u16) -> Vec<u8> {
        let data: Vec<u8> = self
            .samples
            .iter()
            .flat_map(|sample| sample.to_le_bytes().repeat(usize::from(channels)))
            .collect();
        let length = data.len() as u32;
        let mut file = b"RIFF".to_vec();
        file.extend_from_slice(&(36 + length).to_le_bytes());
        file.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0");
        file.extend_from_slice(&channels.to_le_bytes());
        file.extend_from_slice(&self.rate.to_le_bytes());
        file.extend_from_slice(&(self.rate * 2 * u32::from(channels)).to_le_bytes());
        file.extend_from_slice(&(2 * channels).to_le_bytes());
        file.extend_from_slice(b"\x10\0data");
        file.extend_from_slice(&length.to_le_bytes());
        file.extend_from_slice(&data);
        file
    }

    /// G.711 µ-law without any header.
    #[must_use]
    pub fn ulaw(&self) -> Vec<u8> {
        self.samples.iter().map(|sample| to_ulaw(*sample)).collect()
    }

    /// From G.711 µ-law at 8 kHz.
    #[must_use]
    pub fn of_ulaw(bytes: &[u8]) -> Self {
        Self {
            rate: 8000,
            samples: bytes.iter().map(|byte| from_ulaw(*byte)).collect(),
        }
    }
}

/// ITU-T G.711: sign, three bits of the segment, four of the step, all inverted.
fn to_ulaw(sample: i16) -> u8 {
    let sign = if sample < 0 { 0x80 } else { 0 };
    let biased = (i32::from(sample).abs() + 132).min(32_767);
    let segment = (biased >> 7).ilog2();
    let step = (biased >> (segment + 3)) & 0x0f;
    !(sign | (segment as u8) << 4 | step as u8)
}

fn from_ulaw(byte: u8) -> i16 {
    let byte = !byte;
    let segment = i32::from(byte >> 4 & 7);
    let biased = ((i32::from(byte & 0x0f) << 3) + 132) << segment;
    let size = (biased - 132) as i16;
    if byte & 0x80 == 0 { size } else { -size }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_what_was_written() {
        let sound = Sound::tone(8000, 440, 0.1);
        assert_eq!(channels(&sound.wav(1)).unwrap(), vec![sound.clone()]);
        assert_eq!(channels(&sound.wav(2)).unwrap(), vec![sound.clone(), sound]);
    }

    #[test]
    fn a_file_may_still_be_growing() {
        let sound = Sound::tone(8000, 440, 0.1);
        let mut file = sound.wav(1);
        file[40..44].fill(0);
        assert_eq!(channels(&file).unwrap()[0], sound);
        file.truncate(44 + 101);
        assert_eq!(channels(&file).unwrap()[0].samples, sound.samples[..50]);
        for length in 0..44 {
            assert!(channels(&file[..length]).is_none_or(|found| found[0].samples.is_empty()));
        }
    }

    #[test]
    fn mu_law_is_that_of_the_standard() {
        for (sample, byte) in [
            (0, 0xff),
            (8, 0xfe),
            (-8, 0x7e),
            (32_635, 0x80),
            (-32_635, 0),
        ] {
            assert_eq!(to_ulaw(sample), byte, "{sample}");
        }
        for byte in 0..=255_u8 {
            let again = to_ulaw(from_ulaw(byte));
            assert!(again == byte || from_ulaw(byte) == 0, "{byte:#x}");
        }
    }
}
