//! What is named on the command line as input, checked before anything is read.

use std::{
    fs::{File, Metadata},
    io::{self, stdin},
    os::{fd::AsFd, unix::fs::MetadataExt},
    path::PathBuf,
    sync::Arc,
};

use crate::{Error, Source};

/// Which file it is, by whatever name: its device and its number there.
pub(crate) type Identity = (u64, u64);

/// The identity of a file that holds data; a terminal or a pipe has none that matters.
pub(crate) fn identity(metadata: &Metadata) -> Option<Identity> {
    metadata.is_file().then(|| (metadata.dev(), metadata.ino()))
}

/// An input that is there. Only as many are open at a time as are read: there may be more than a process may open.
pub(crate) struct Input {
    name: Arc<str>,
    /// None for stdin.
    path: Option<PathBuf>,
    /// How many bytes it has, if that is known.
    pub size: Option<u64>,
    pub identity: Option<Identity>,
}

impl Input {
    /// Finds out whether it can be read.
    pub fn check(path: PathBuf) -> Result<Self, Error> {
        let path = (path.as_os_str() != "-").then_some(path);
        let name: Arc<str> = path.as_ref().map_or("<stdin>".into(), |path| path.to_string_lossy().into());
        let metadata = match &path {
            Some(path) => path.metadata().and_then(|metadata| {
                // Others can't be opened twice: to whom writes into a pipe, the first time would look like the end.
                if metadata.is_file() {
                    File::open(path)?;
                }
                Ok(metadata)
            }),
            None => open_stdin().and_then(|stdin| stdin.metadata()),
        };
        let metadata = match metadata {
            Ok(metadata) if metadata.is_dir() => return Err(Error::Directory { name }),
            Ok(metadata) => metadata,
            Err(source) => return Err(Error::Read { name, source }),
        };
        let size = metadata.is_file().then_some(metadata.len());
        Ok(Self { name, path, size, identity: identity(&metadata) })
    }

    /// Opens it.
    pub fn open(self) -> Source {
        let file = self.path.map_or_else(open_stdin, File::open);
        Source { name: self.name, bytes: file.map(|file| Box::new(file) as _) }
    }
}

/// Stdin without a buffer: it is read in large pieces anyway.
fn open_stdin() -> io::Result<File> {
    Ok(File::from(stdin().as_fd().try_clone_to_owned()?))
}
