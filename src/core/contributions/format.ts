/** A checkpoint format that another extension registered: it says where the tensors lie, and the rest is ours. */
import { basename } from 'node:path';
import type { FileBytes, FileContents } from '../../../api/twa.d.ts';
import { bytesPerElement, elementCount, isDType } from '../checkpoints/dtype.ts';
import { flatFormat } from '../checkpoints/flat.ts';
import { EndOfFile, type PositionedFile } from '../checkpoints/positioned.ts';
import { type Contents, CutOff, FormatError, readSingle } from '../checkpoints/single.ts';
import type { CheckpointFormat, TensorInfo } from '../checkpoints/types.ts';
import { badExtension, importContribution, messageOf } from './module.ts';
import type { Contribution } from './types.ts';

const EXTENSION = /^(\.[\w-]+)+$/;
/** Asked for at once by a header's reader; more is no header. */
const MAX_BYTES = 64 << 20;
/** As many as any model has. */
const MAX_TENSORS = 1_000_000;

type Read = (file: FileBytes) => unknown;

export async function loadFormat(contribution: Contribution): Promise<CheckpointFormat> {
  const exported = await importContribution(contribution, 'format');
  const { label, extension, read } = exported;
  if (typeof label !== 'string' || label === '')
    throw badExtension(contribution, 'exports a format without a "label"');
  if (typeof extension !== 'string' || !EXTENSION.test(extension))
    throw badExtension(contribution, 'exports a format whose "extension" is not like ".weights"');
  if (typeof read !== 'function')
    throw badExtension(contribution, 'exports a format without a function "read"');
  const ending = extension.toLowerCase();
  const { id } = contribution;
  return flatFormat({
    id,
    label,
    kind: 'file',
    candidate: (path) => (path.toLowerCase().endsWith(ending) ? path : undefined),
    outputName: (stem) => stem + extension,
    readLayout: (path, signal) =>
      readSingle(
        id,
        path,
        (file) => contentsOf(path, file, label, (bytes) => read.call(exported, bytes)),
        signal,
      ),
  });
}

async function contentsOf(path: string, file: PositionedFile, label: string, read: Read): Promise<Contents> {
  let given: unknown;
  const past: { cutOff: boolean } = { cutOff: false };
  const bytes: FileBytes['bytes'] = async (position, length) => {
    if (length > MAX_BYTES) throw new Error(`a header of ${length} bytes is none`);
    try {
      return new Uint8Array(await file.bytes(position, length));
    } catch (error) {
      past.cutOff ||= error instanceof EndOfFile;
      throw error;
    }
  };
  try {
    given = await read({ path, size: file.size, bytes });
  } catch (error) {
    // Whatever the reader made of it, the file had not what it asked for.
    if (past.cutOff) throw new EndOfFile();
    throw new FormatError(`cannot be read as ${label}: ${messageOf(error)}.`);
  }
  return narrow(given, file.size, label);
}

/** @throws FormatError, CutOff */
function narrow(given: unknown, size: number, label: string): Contents {
  const wrong = (what: string): FormatError =>
    new FormatError(`cannot be read: the extension for ${label} ${what}.`);
  if (!isRecord(given)) throw wrong('gives nothing about it');
  const { tensors: listed, metadata = {} } = given as Partial<Record<keyof FileContents, unknown>>;
  if (!Array.isArray(listed) || listed.length === 0) throw new FormatError(`holds no tensor (${label}).`);
  if (listed.length > MAX_TENSORS) throw wrong(`lists ${listed.length} tensors`);
  if (!isRecord(metadata) || !Object.values(metadata).every((value) => typeof value === 'string'))
    throw wrong('gives metadata that is not text');
  const tensors: TensorInfo[] = [];
  const positions = new Map<string, number>();
  let end = 0;
  for (const one of listed as readonly unknown[]) {
    const { name, dtype, shape, position } = isRecord(one) ? one : {};
    if (typeof name !== 'string' || name === '') throw wrong('lists a tensor without a name');
    if (positions.has(name)) throw wrong(`lists ${name} twice`);
    if (typeof dtype !== 'string' || !isDType(dtype)) throw wrong(`gives ${name} no dtype that there is`);
    const numbers = isNumbers(shape) ? shape : undefined;
    const count = numbers === undefined ? undefined : elementCount(numbers);
    if (numbers === undefined || count === undefined) throw wrong(`gives ${name} a shape that is none`);
    if (typeof position !== 'number' || !Number.isSafeInteger(position) || position < 0)
      throw wrong(`gives ${name} a position that is none`);
    tensors.push({ name, dtype, shape: [...numbers] });
    positions.set(name, position);
    end = Math.max(end, position + count * bytesPerElement(dtype));
  }
  if (!Number.isSafeInteger(end)) throw wrong('gives positions that no file has');
  if (end > size) throw new CutOff(`has ${size} bytes and its tensors take ${end}`);
  return { tensors, positions, metadata: { ...(metadata as Record<string, string>) } };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isNumbers(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'number');
}

/** For messages: what a file of the format is called. */
export function sampleName(format: CheckpointFormat): string {
  return basename(
    format.outputName('model', { path: '', format: format.id, tensors: [], metadata: {}, files: [] }),
  );
}
