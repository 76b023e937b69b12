import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Kinds of file systems that another machine, or the other side of a mount, can change without this kernel hearing of
 * it: `f_type` of statfs(2), from Linux' magic.h and the file systems' own headers.
 */
const CHANGED_ELSEWHERE: ReadonlySet<number> = new Set([
  0x6969, // NFS
  0x517b, // SMB
  0xff534d42, // CIFS
  0xfe534d42, // SMB2
  0x65735546, // FUSE: sshfs, gcsfuse, s3fs, ...
  0x01021997, // 9p: WSL's /mnt/c, virtual machines
  0x786f4256, // VirtualBox shared folders
  0x00c36400, // Ceph
  0x0bd00bd0, // Lustre
  0x47504653, // GPFS
  0x19830326, // BeeGFS
  0x5346414f, // AFS
  0x6b414653, // kAFS
  0x73757245, // Coda
]);

/** Whether a folder (or, if it does not exist yet, what will hold it) has to be asked for changes. */
export async function needsPolling(folder: string): Promise<boolean> {
  if (process.platform === 'win32') return folder.startsWith('\\\\');
  // Elsewhere the numbers mean something else.
  if (process.platform !== 'linux') return false;
  for (let path = folder; ; path = dirname(path)) {
    try {
      return CHANGED_ELSEWHERE.has((await statfs(path)).type >>> 0);
    } catch {
      if (path === dirname(path)) return false;
    }
  }
}
