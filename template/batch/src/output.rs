//! The report in its place, whole or not at all.
//!
//! It is written into a file beside the place, flushed to the disk, and renamed: whoever looks there sees the old file or
//! the new one. That other file is there for milliseconds only, when all is computed. Whatever ends the program takes it
//! along, but for a kill within them.

use std::{
    fs::{File, Permissions},
    io::{self, Write, stdout},
    mem,
    os::{
        fd::AsFd,
        unix::{
            ffi::OsStrExt,
            fs::{MetadataExt, PermissionsExt, fchown},
        },
    },
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use tempfile::TempPath;

use crate::{
    Error,
    input::{Identity, identity},
};

/// Where the report goes, checked before anything is read.
pub(crate) struct Output {
    name: String,
    place: Place,
    identity: Option<Identity>,
}

enum Place {
    Stdout,
    /// A device or a pipe: it is written into.
    Stream(PathBuf),
    /// A file, there or not: it is replaced.
    File(PathBuf),
}

impl Output {
    /// Finds out whether a report can be put there.
    pub fn check(path: PathBuf) -> Result<Self, Error> {
        if path.as_os_str() == "-" {
            let identity = open_stdout().and_then(|stdout| stdout.metadata()).ok().as_ref().and_then(identity);
            return Ok(Self { name: "<stdout>".to_owned(), place: Place::Stdout, identity });
        }
        let name = path.to_string_lossy().into_owned();
        let no_place = |what| Error::Place { output: name.clone(), what };
        let failed = |source| Error::Write { output: name.clone(), source };
        let (place, identity) = match path.metadata() {
            Ok(there) if there.is_dir() => return Err(no_place("it is a directory")),
            Ok(there) if there.is_file() => {
                // A rename would not mind that it is write-protected; whoever did that would.
                File::options().write(true).open(&path).map_err(failed)?;
                // Through a link, so that the link stays, and the file that it names is replaced.
                (Place::File(path.canonicalize().map_err(failed)?), identity(&there))
            }
            Ok(_) => (Place::Stream(path), None),
            Err(_) if path.is_symlink() => return Err(no_place("it is a link to nothing")),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            Err(_) if path.file_name().is_none() || path.as_os_str().as_bytes().ends_with(b"/") => {
                return Err(no_place("it names no file"));
            }
            Err(_) if !directory(&path).is_dir() => return Err(no_place("its directory is not there")),
            Err(_) => (Place::File(path), None),
        };
        if let Place::File(path) = &place {
            // Without a name, where the system can do that: nothing of it is left.
            tempfile::tempfile_in(directory(path)).map_err(failed)?;
        }
        Ok(Self { name, place, identity })
    }

    /// What it is called in messages.
    pub fn name(&self) -> String {
        self.name.clone()
    }

    /// Whether it is that file.
    pub fn is(&self, identity: Option<Identity>) -> bool {
        identity.is_some() && identity == self.identity
    }

    /// Puts the report there.
    pub fn write(&self, report: &[u8], unfinished: &Unfinished) -> Result<(), Error> {
        let written = match &self.place {
            Place::Stdout => open_stdout().and_then(|mut stdout| stdout.write_all(report)),
            Place::Stream(path) => File::options().write(true).open(path).and_then(|mut file| file.write_all(report)),
            Place::File(path) => replace(path, report, unfinished),
        };
        written.map_err(|source| Error::Write { output: self.name(), source })
    }
}

fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Stdout without a buffer: the report is written in one go.
fn open_stdout() -> io::Result<File> {
    Ok(File::from(stdout().as_fd().try_clone_to_owned()?))
}

fn replace(path: &Path, report: &[u8], unfinished: &Unfinished) -> io::Result<()> {
    let directory = directory(path);
    let mut file = unfinished.begin(directory)?;
    let prepared = file.write_all(report).and_then(|()| {
        if let Ok(old) = path.metadata() {
            // Only root may give files away; what others own is theirs from now on.
            drop(fchown(&file, Some(old.uid()), Some(old.gid())));
            file.set_permissions(old.permissions())?;
        }
        file.sync_all()
    });
    unfinished.finish(prepared.map(|()| path))?;
    // Now the new name is there after a power cut, too. It may be a directory that can be written but not read; then
    // that is left to the system, which does it soon.
    drop(File::open(directory).and_then(|directory| directory.sync_all()));
    Ok(())
}

/// The file that becomes the report. Who is interrupted can take it away, and it is renamed or removed but never both.
#[derive(Default)]
pub(crate) struct Unfinished(Mutex<State>);

#[derive(Default)]
enum State {
    #[default]
    Nothing,
    /// It is removed when this is dropped.
    Begun(TempPath),
    /// It is in its place.
    Finished,
    /// The program is about to end: nothing is put into place any more.
    Abandoned,
}

impl Unfinished {
    fn begin(&self, directory: &Path) -> io::Result<File> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let State::Abandoned = *state {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let mut form = tempfile::Builder::new();
        // As for any new file, the umask says what of that is left.
        form.prefix(".report-").suffix(".tmp").permissions(Permissions::from_mode(0o666));
        let (file, path) = form.tempfile_in(directory)?.into_parts();
        *state = State::Begun(path);
        Ok(file)
    }

    /// Puts it into its place, or removes it.
    fn finish(&self, place: io::Result<&Path>) -> io::Result<()> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match mem::take(&mut *state) {
            State::Begun(path) => {
                path.persist(place?)?;
                *state = State::Finished;
                Ok(())
            }
            // Somebody has taken it away.
            other => {
                *state = other;
                Err(io::ErrorKind::Interrupted.into())
            }
        }
    }

    /// Takes it away. False if it is in its place already.
    pub fn abandon(&self) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let State::Finished = *state {
            return false;
        }
        *state = State::Abandoned;
        true
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A directory with an old report, and the path of that.
    fn place() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("report.json");
        File::create_new(&path).unwrap().write_all(b"old").unwrap();
        (directory, path)
    }

    fn files(directory: &Path) -> usize {
        fs::read_dir(directory).unwrap().count()
    }

    #[test]
    fn whoever_abandons_it_takes_it_away_and_it_is_not_put_into_place() {
        let (directory, path) = place();
        let unfinished = Unfinished::default();
        unfinished.begin(directory.path()).unwrap().write_all(b"new").unwrap();
        assert_eq!(files(directory.path()), 2);
        assert!(unfinished.abandon());
        assert_eq!(files(directory.path()), 1);
        assert!(unfinished.finish(Ok(&path)).is_err());
        assert!(unfinished.begin(directory.path()).is_err());
        assert_eq!((files(directory.path()), path.metadata().unwrap().len()), (1, 3));
    }

    #[test]
    fn what_is_in_place_is_not_abandoned() {
        let (directory, path) = place();
        let unfinished = Unfinished::default();
        unfinished.begin(directory.path()).unwrap().write_all(b"new one").unwrap();
        unfinished.finish(Ok(&path)).unwrap();
        assert!(!unfinished.abandon());
        assert_eq!((files(directory.path()), path.metadata().unwrap().len()), (1, 7));
    }

    #[test]
    fn what_could_not_be_written_is_removed() {
        let (directory, path) = place();
        let unfinished = Unfinished::default();
        drop(unfinished.begin(directory.path()).unwrap());
        assert!(unfinished.finish(Err(io::ErrorKind::StorageFull.into())).is_err());
        assert_eq!((files(directory.path()), path.metadata().unwrap().len()), (1, 3));
    }
}
