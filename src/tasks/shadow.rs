//! Makes the copies of requests, away from the threads that serve these, and writes what came back to
//! `shadow.jsonl` in the data directory. When that has grown large it becomes `shadow.jsonl.1`, in place
//! of an earlier one.

use std::{
    io,
    path::{Path, PathBuf},
};

use tokio::{
    fs::{self, File, OpenOptions},
    io::AsyncWriteExt,
    sync::mpsc,
};

use crate::gateway::{
    Gateway,
    shadow::{Making, Queues},
};

/// How large the file may become.
const MAX_BYTES: u64 = 64 << 20;

/// Makes copies and writes records as they come, for as long as the process lives.
pub(super) async fn run(gateway: &Gateway, directory: &Path) {
    if let Some(Queues { copies, records }) = gateway.shadows.queues() {
        futures::join!(make(copies), write(gateway, directory, records));
    }
}

async fn make(mut copies: mpsc::Receiver<Making>) {
    while let Some(copy) = copies.recv().await {
        tokio::spawn(copy);
    }
}

/// A file that cannot be written costs its lines.
async fn write(gateway: &Gateway, directory: &Path, mut records: mpsc::Receiver<Vec<u8>>) {
    let mut journal = Journal::new(directory.join("shadow.jsonl"), MAX_BYTES);
    let mut is_failing = false;
    while let Some(line) = records.recv().await {
        let written = journal.append(&line).await;
        if let Err(error) = &written {
            gateway.metrics.shadow_records_dropped.inc();
            if !is_failing {
                log::warn!("cannot write {}: {error}", journal.path.display());
            }
        }
        is_failing = written.is_err();
    }
}

/// A file of lines that is kept below a size.
struct Journal {
    path: PathBuf,
    max_bytes: u64,
    open: Option<(File, u64)>,
}

impl Journal {
    fn new(path: PathBuf, max_bytes: u64) -> Self {
        Journal {
            path,
            max_bytes,
            open: None,
        }
    }

    async fn append(&mut self, line: &[u8]) -> io::Result<()> {
        let length = u64::try_from(line.len()).unwrap_or(u64::MAX);
        let (mut file, size) = match self.open.take() {
            Some(open) => open,
            None => self.open().await?,
        };
        let (mut file, size) = match size > 0 && size.saturating_add(length) > self.max_bytes {
            false => (file, size),
            true => {
                file.flush().await?;
                fs::rename(&self.path, self.path.with_extension("jsonl.1")).await?;
                self.open().await?
            }
        };
        // In one piece, so that the lines of two processes do not mix during an upgrade.
        file.write_all(line).await?;
        file.flush().await?;
        self.open = Some((file, size.saturating_add(length)));
        Ok(())
    }

    /// The file, and what it holds already. It is for its owner only: people have said these things.
    async fn open(&self) -> io::Result<(File, u64)> {
        let mut options = OpenOptions::new();
        options.append(true).create(true).mode(0o600);
        let file = options.open(&self.path).await?;
        let size = file.metadata().await?.len();
        Ok((file, size))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[tokio::test]
    async fn a_file_that_has_grown_large_is_put_aside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shadow.jsonl");
        std::fs::write(&path, "from before\n").unwrap();
        let mut journal = Journal::new(path.clone(), 30);
        let read = |path: &Path| std::fs::read_to_string(path).unwrap();
        let aside = folder.path().join("shadow.jsonl.1");
        journal.append(b"one\n").await.unwrap();
        assert_eq!(read(&path), "from before\none\n");
        assert!(!aside.exists());
        journal.append(b"another one: 20 by\n").await.unwrap();
        assert_eq!(read(&aside), "from before\none\n");
        journal.append(&[b'x'; 100]).await.unwrap();
        assert_eq!(read(&aside), "another one: 20 by\n");
        assert_eq!(read(&path).len(), 100);
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_written_is_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data/shadow.jsonl");
        let mut journal = Journal::new(path.clone(), 100);
        assert!(journal.append(b"lost\n").await.is_err());
        std::fs::create_dir(folder.path().join("data")).unwrap();
        journal.append(b"kept\n").await.unwrap();
        assert_eq!(std::fs::read_to_string(path).unwrap(), "kept\n");
    }
}
