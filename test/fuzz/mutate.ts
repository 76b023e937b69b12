/** What happens to a file on its way: by chance, and by hands that know what hurts. */
import type { Random } from '../../src/core/averaging/rng.ts';
import { maskedCrc32c } from '../../src/core/crc32c.ts';
import { readTable } from '../../src/core/checkpoints/tensorflow/table.ts';

/** Lengths, counts and offsets that are wrong in the ways that matter. */
const NUMBERS = [
  ...[0n, 1n, 2n, 63n, 64n, 65n, 127n, 128n, 255n, 256n, 65_535n, 65_536n, 0x7fff_ffffn, 0x8000_0000n],
  ...[
    0xffff_ffffn,
    0x1_0000_0000n,
    1n << 52n,
    1n << 53n,
    1n << 62n,
    (1n << 63n) - 1n,
    1n << 63n,
    (1n << 64n) - 1n,
  ],
];
const TEXTS = [
  '-1',
  '1e999',
  'null',
  '__proto__',
  '9007199254740993',
  '[',
  '{',
  '"',
  '../',
  '\0',
  '[]',
  '0.5',
];

/** The mutated bytes, and in words what was done. */
export function mutate(original: Buffer, random: Random): { readonly bytes: Buffer; readonly what: string } {
  const done: string[] = [];
  let bytes = Buffer.from(original);
  for (let times = 1 + below(random, 3); times > 0; times--) {
    const kind = KINDS[below(random, KINDS.length)]!;
    bytes = kind.change(bytes, random);
    done.push(kind.name);
  }
  // A checksum that is right lets a lie through to what is behind it.
  if (original.length === bytes.length && below(random, 2) === 0 && repairTable(original, bytes)) {
    done.push('checksums repaired');
  }
  return { bytes, what: done.join(', ') };
}

export const below = (random: Random, n: number): number => (n <= 0 ? 0 : random() % n);

/** Often near the beginning or the end, where headers are. */
function place(bytes: Buffer, random: Random): number {
  if (bytes.length === 0) return 0;
  const near = Math.min(bytes.length, 512);
  switch (below(random, 4)) {
    case 0:
      return below(random, near);
    case 1:
      return bytes.length - 1 - below(random, near);
    default:
      return below(random, bytes.length);
  }
}

interface Kind {
  readonly name: string;
  readonly change: (bytes: Buffer, random: Random) => Buffer<ArrayBuffer>;
}

const KINDS: readonly Kind[] = [
  {
    name: 'bits flipped',
    change(bytes, random) {
      const out = Buffer.from(bytes);
      for (let n = 1 + below(random, 4); n > 0 && out.length > 0; n--) {
        const at = place(out, random);
        out[at] = out[at]! ^ (1 << below(random, 8));
      }
      return out;
    },
  },
  {
    name: 'bytes replaced',
    change(bytes, random) {
      const out = Buffer.from(bytes);
      const at = place(out, random);
      const values = [0, 0xff, below(random, 256)];
      out.fill(values[below(random, 3)]!, at, Math.min(out.length, at + 1 + below(random, 16)));
      return out;
    },
  },
  {
    name: 'a number replaced',
    change(bytes, random) {
      const out = Buffer.from(bytes);
      const size = [1, 2, 4, 8][below(random, 4)]!;
      if (out.length < size) return out;
      const lengths = [BigInt(out.length), BigInt(out.length + 1), BigInt(Math.max(0, out.length - 1))];
      const choices = [...NUMBERS, ...lengths];
      const value = BigInt.asUintN(64, choices[below(random, choices.length)]!);
      const field = Buffer.alloc(8);
      const isLittle = below(random, 3) > 0;
      if (isLittle) field.writeBigUInt64LE(value);
      else field.writeBigUInt64BE(value);
      const at = Math.min(place(out, random), out.length - size);
      field.copy(out, at, isLittle ? 0 : 8 - size, isLittle ? size : 8);
      return out;
    },
  },
  {
    name: 'text put in',
    change(bytes, random) {
      const at = place(bytes, random);
      const text = Buffer.from(TEXTS[below(random, TEXTS.length)]!);
      const over = below(random, 2) === 0 ? text.length : 0;
      return Buffer.concat([bytes.subarray(0, at), text, bytes.subarray(at + over)]);
    },
  },
  { name: 'cut off', change: (bytes, random) => Buffer.from(bytes.subarray(0, place(bytes, random))) },
  {
    name: 'something appended',
    change: (bytes, random) =>
      Buffer.concat([
        bytes,
        Buffer.from(Array.from({ length: 1 + below(random, 40) }, () => below(random, 256))),
      ]),
  },
  {
    name: 'a part taken out',
    change(bytes, random) {
      const at = place(bytes, random);
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + below(random, 64))]);
    },
  },
  {
    name: 'a part twice',
    change(bytes, random) {
      const at = place(bytes, random);
      const end = Math.min(bytes.length, at + 1 + below(random, 256));
      return Buffer.concat([bytes.subarray(0, end), bytes.subarray(at)]);
    },
  },
  {
    name: 'a part over another',
    change(bytes, random) {
      const out = Buffer.from(bytes);
      const from = place(out, random);
      bytes.copy(out, place(out, random), from, Math.min(bytes.length, from + 1 + below(random, 64)));
      return out;
    },
  },
];

/** Of the index of a TensorFlow checkpoint. */
function repairTable(original: Buffer, bytes: Buffer): boolean {
  let table;
  try {
    table = readTable(original);
  } catch {
    return false;
  }
  for (const { start, end, storedAt } of table.checksums) {
    for (const at of storedAt) bytes.writeUInt32LE(maskedCrc32c(bytes, start, end), at);
  }
  return true;
}
