//! Files of this machine, below one folder.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use url::Url;

use crate::ErrorCode;
use crate::sound::SoundError;
use crate::webhook::Held;

/// Reads the file that a `file:` URL names, if it is below the folder and finds room. Blocks.
pub(super) fn read(
    folder: &Path,
    url: &Url,
    bytes_max: usize,
    held: &mut Held,
) -> Result<Vec<u8>, SoundError> {
    let path = below(folder, url).ok_or_else(missing)?;
    let file = File::open(&path).map_err(|_| missing())?;
    let data = file.metadata().map_err(|_| missing())?;
    if !data.is_file() {
        return Err(missing());
    }
    let bound = bytes_max as u64 + 1;
    let length = usize::try_from(data.len().min(bound)).unwrap_or(bytes_max);
    held.grow(length)
        .map_err(|_| SoundError::internal("too many files are being read"))?;
    let mut bytes = Vec::new();
    file.take(bound)
        .read_to_end(&mut bytes)
        .map_err(|_| missing())?;
    if bytes.len() > bytes_max {
        let detail = format!("the file has more than {bytes_max} bytes");
        return Err(SoundError::new(ErrorCode::BODY_TOO_LARGE, detail));
    }
    Ok(bytes)
}

/// Where the URL leads, after all links: nowhere if that is not below the folder.
fn below(folder: &Path, url: &Url) -> Option<PathBuf> {
    if url.host().is_some() {
        return None;
    }
    let folder = folder.canonicalize().ok()?;
    let decoded = percent_encoding::percent_decode_str(url.path())
        .decode_utf8()
        .ok()?;
    let name = decoded.trim_start_matches('/');
    let path = folder.join(name).canonicalize().ok()?;
    path.starts_with(&folder).then_some(path)
}

fn missing() -> SoundError {
    SoundError::new(ErrorCode::HTTP_RETRIEVAL, "there is no such file")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sound::scratch::Scratch;
    use crate::webhook::Room;

    #[test]
    fn only_files_below_the_folder() {
        let kept = Scratch::write("local-test", b"sound").unwrap();
        let folder = kept.path().parent().unwrap();
        let name = kept.path().file_name().unwrap().to_str().unwrap();
        let room = Room::new(1024);
        let read = |url: &str| read(folder, &Url::parse(url).unwrap(), 5, &mut room.hold());
        assert_eq!(read(&format!("file:///{name}")).unwrap(), b"sound");
        assert!(read("file:///../etc/passwd").is_err());
        assert!(read("file:///%2e%2e/etc/passwd").is_err());
        assert!(read("file:///..%2fetc/passwd").is_err());
        assert!(read("file:////etc/passwd").is_err());
        assert!(read(&format!("file://host/{name}")).is_err());
        assert!(read("file:///").is_err());
        let url = Url::parse(&format!("file:///{name}")).unwrap();
        let large = super::read(folder, &url, 4, &mut room.hold()).unwrap_err();
        assert_eq!(large.code, ErrorCode::BODY_TOO_LARGE);
        let _taken = {
            let mut taken = room.hold();
            taken.grow(1024).unwrap();
            taken
        };
        let full = super::read(folder, &url, 5, &mut room.hold()).unwrap_err();
        assert_eq!(full.code, ErrorCode::INTERNAL);
    }
}
