/** The zip archive that torch.save writes since PyTorch 1.6. */
import type { FileHandle } from 'node:fs/promises';
import { crc32 } from 'node:zlib';

import { throwIfAborted } from '../../errors.ts';
import { bytesAt, readZip, ZipError, type ZipEntry } from '../zip.ts';
import type { Content } from './layout.ts';
import { TorchError } from './tensors.ts';
import { MAX_PICKLE_BYTES, unpickle } from './unpickle.ts';

const TORCHSCRIPT =
  'is a TorchScript program; average the state_dict it was made from, or save model.state_dict() with torch.save.';

export async function readArchive(handle: FileHandle, size: number, signal?: AbortSignal): Promise<Content> {
  const entries = await readZip(handle, size).catch((error: unknown) => {
    // TorchScript compresses its code, and only that.
    if (error instanceof ZipError && error.message.includes('/code/')) throw new TorchError(TORCHSCRIPT);
    throw error;
  });
  throwIfAborted(signal);
  const [pickle, second] = entries.filter(({ name }) => /^(?:[^/]+\/)?data\.pkl$/.test(name));
  if (pickle === undefined) throw new TorchError(whatElse(entries));
  if (second !== undefined) throw new TorchError(`has two pickles: ${pickle.name} and ${second.name}.`);
  const root = pickle.name.slice(0, -'data.pkl'.length);
  if (entries.some(({ name }) => name === `${root}constants.pkl` || name.startsWith(`${root}code/`))) {
    throw new TorchError(TORCHSCRIPT);
  }
  const order = entries.find(({ name }) => name === `${root}byteorder`);
  if (order !== undefined && (await text(handle, order, 16)) === 'big') {
    throw new TorchError(
      'was saved on a big-endian machine; load it with torch.load and save it on this one.',
    );
  }
  if (pickle.size > MAX_PICKLE_BYTES) {
    throw new TorchError(`has a pickle of ${pickle.size} bytes; more than ${MAX_PICKLE_BYTES} are not read.`);
  }
  const bytes = await bytesAt(handle, pickle.start, pickle.size);
  // Writers may be told to leave checksums out; then all of them are 0.
  const recorded = entries.some(({ checksum }) => checksum.value !== 0);
  if (recorded && crc32(bytes) !== pickle.checksum.value) {
    throw new TorchError(`is damaged: the bytes of ${pickle.name} do not match their checksum.`);
  }
  const { value, globals } = unpickle(bytes);
  const data = `${root}data/`;
  return {
    root: value,
    globals,
    storages: new Map(
      entries
        .filter(({ name }) => name.startsWith(data))
        .map((entry) => [entry.name.slice(data.length), entry]),
    ),
    checksums: recorded ? entries.map(({ checksum }) => checksum) : [],
  };
}

function whatElse(entries: readonly ZipEntry[]): string {
  const has = (pattern: RegExp): boolean => entries.some(({ name }) => pattern.test(name));
  if (has(/serialized_exported_program\.json$|models\/[^/]+\.json$|archive_format$/)) {
    return 'is a program of torch.export; average the state_dict it was made from.';
  }
  if (has(/\.npy$/)) return 'holds NumPy arrays; give it the extension .npz.';
  if (has(/model\.weights\.h5$/)) return 'is a Keras model; give it the extension .keras.';
  return 'is a zip archive without data.pkl, so not one that torch.save wrote.';
}

async function text(handle: FileHandle, entry: ZipEntry, limit: number): Promise<string> {
  return (await bytesAt(handle, entry.start, Math.min(entry.size, limit))).toString('latin1').trim();
}
