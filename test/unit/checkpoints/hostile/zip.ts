/** Zip archives, with every field to be lied about. */
import { crc32 } from 'node:zlib';

import { bytes, u32, u64 } from './pickle.ts';

export interface Entry {
  readonly name: string;
  readonly data: Uint8Array;
  /** In the local header, where it differs. */
  readonly localName?: string;
  /** 0 stored, 8 deflated. */
  readonly method?: number;
  readonly flags?: number;
  readonly crc?: number;
  /** Uncompressed, as both headers say. */
  readonly size?: number;
  /** Position of the local header, as the table of contents says. */
  readonly at?: number;
}

export interface Lies {
  /** Of entries, in the end record. */
  readonly count?: number;
  readonly directorySize?: number;
  readonly directoryAt?: number;
  /** Puts a 64-bit record in front of the end, with these. */
  readonly zip64?: {
    readonly count?: bigint;
    readonly size?: bigint;
    readonly at?: bigint;
    readonly record?: bigint;
  };
  readonly comment?: Uint8Array;
}

const u16 = (value: number): Buffer => u32(value).subarray(0, 2);

export function zip(entries: readonly Entry[], lies: Lies = {}): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const entry of entries) {
    const { name, data, method = 0, flags = 0, crc = crc32(data), size = data.length } = entry;
    const localName = entry.localName ?? name;
    const fields = [u16(flags), u16(method), u32(0), u32(crc), u32(data.length), u32(size)];
    const local = bytes('PK\x03\x04', u16(20), ...fields, u16(localName.length), u16(0), localName, data);
    directory.push(
      bytes(
        'PK\x01\x02',
        u16(20),
        u16(20),
        ...fields,
        u16(name.length),
        u16(0),
        u16(0),
        u16(0),
        u16(0),
        u32(0),
        u32(entry.at ?? at),
        name,
      ),
    );
    parts.push(local);
    at += local.length;
  }
  const table = Buffer.concat(directory);
  const { zip64, comment = new Uint8Array(0) } = lies;
  const record =
    zip64 === undefined
      ? Buffer.alloc(0)
      : bytes(
          ['PK\x06\x06', u64(44), u16(45), u16(45), u32(0), u32(0)],
          [u64(zip64.count ?? entries.length), u64(zip64.count ?? entries.length)],
          [u64(zip64.size ?? table.length), u64(zip64.at ?? at)],
          ['PK\x06\x07', u32(0), u64(zip64.record ?? at + table.length), u32(1)],
        );
  const end = bytes(
    'PK\x05\x06',
    [u16(0), u16(0), u16(lies.count ?? entries.length), u16(lies.count ?? entries.length)],
    [u32(lies.directorySize ?? table.length), u32(lies.directoryAt ?? at), u16(comment.length), comment],
  );
  return Buffer.concat([...parts, table, record, end]);
}

/** What torch.save writes, around any pickle. */
export function archive(
  pickle: Uint8Array,
  storages: Readonly<Record<string, Uint8Array>> = { 0: new Uint8Array(8) },
): Buffer {
  return zip([
    { name: 'archive/data.pkl', data: pickle },
    { name: 'archive/byteorder', data: Buffer.from('little') },
    ...Object.entries(storages).map(([key, data]) => ({ name: `archive/data/${key}`, data })),
    { name: 'archive/version', data: Buffer.from('3\n') },
  ]);
}
