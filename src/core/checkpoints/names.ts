/** Where in training a checkpoint stands, from its metadata and, failing that, from its name. */
import { basename, dirname } from 'node:path';

export interface Position {
  /** Optimizer steps. */
  readonly step?: number;
  /** As the trainer counts them: from 0 (Lightning) or from 1. */
  readonly epoch?: number;
}

const STEP_KEYS = ['step', 'global_step', 'globalstep', 'steps', 'iteration', 'iter'];
const EPOCH_KEYS = ['epoch', 'epochs', 'current_epoch'];

/** `epoch-012`, `epoch=3`, `ep07`, `e12`; the word must not be the end of another one. */
const EPOCH = /(?:(?:^|[^a-z])(?:epoch|ep)[-_=. ]?|(?:^|[-_. ])e)(\d{1,12})(?!\d)/;
/** `step_1000`, `global_step1000`, `iter-500`; `checkpoint-500` (Hugging Face) and `ckpt-7` (TensorFlow). */
const STEP =
  /(?:^|[^a-z])(?:global_?step|steps?|iter(?:ation)?|it|checkpoint-|ckpt-)[-_=. ]?(\d{1,12})(?!\d)/;

/** Numbers that count something else than training: `fold-3`, `twa-1`, `run_2`, `lr-4`, `v2`, `seed1`. */
const NOT_A_POSITION =
  /(?:fold|seed|rank|run|version|v|part|copy|best|top|lr|twa|swa|lawa|uniform|manual|avg|average|ema|soup)[-_=. ]?$/;

/**
 * Step and epoch from metadata keys (`epoch`, `step`, `global_step`, ...) and from the name, extension or not:
 * `epoch-012`, `epoch=3-step=1200.ckpt`, `checkpoint-500`, `model_0012.safetensors`, `step_1000`, `0.pt`, `ckpt-7`.
 * Metadata wins. A bare number (`model_0012`, `0.pt`) is an epoch, or a step from 10 000 on; numbers that are
 * decimals, dates, or parts of a set (`00001-of-00005`) are none.
 */
export function stepAndEpoch(name: string, metadata: Readonly<Record<string, string>> = {}): Position {
  const told = {
    ...field('step', fromMetadata(metadata, STEP_KEYS)),
    ...field('epoch', fromMetadata(metadata, EPOCH_KEYS)),
  };
  const text = withoutExtension(name).toLowerCase();
  const named = { ...field('step', match(STEP, text)), ...field('epoch', match(EPOCH, text)) };
  const known: Position = { ...named, ...told };
  if (known.step !== undefined || known.epoch !== undefined) return known;
  const bare = bareNumber(text);
  if (bare === undefined) return {};
  return bare >= 10_000 ? { step: bare } : { epoch: bare };
}

/** The same for a path: a file with a general name (`model.safetensors`) stands where its directory says. */
export function positionOf(path: string, metadata: Readonly<Record<string, string>> = {}): Position {
  const own = stepAndEpoch(basename(path), metadata);
  if (own.step !== undefined || own.epoch !== undefined) return own;
  const directory = basename(dirname(path)).toLowerCase();
  return { ...field('step', match(STEP, directory)), ...field('epoch', match(EPOCH, directory)) };
}

function field(key: 'step' | 'epoch', value: number | undefined): Position {
  return value === undefined ? {} : { [key]: value };
}

function match(pattern: RegExp, text: string): number | undefined {
  const digits = pattern.exec(text)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

function fromMetadata(
  metadata: Readonly<Record<string, string>>,
  keys: readonly string[],
): number | undefined {
  for (const [key, value] of Object.entries(metadata)) {
    if (keys.includes(key.toLowerCase()) && /^\d{1,15}(\.0*)?$/.test(value.trim())) return Number(value);
  }
  return undefined;
}

/** `model.pth.tar` -> `model`; `weights.05-0.23.h5` keeps its numbers, `weights.e10` its epoch. */
function withoutExtension(name: string): string {
  return name.replace(/(\.(?:safetensors|pth?|ckpt|tar|bin|h5|hdf5|keras|np[yz]|msgpack|index|json))+$/i, '');
}

const WORD_AND_NUMBER = /(?<=^(?:model|checkpoint|ckpt|weights|net|params|state|snapshot))\d{1,9}$/;

function bareNumber(text: string): number | undefined {
  const plain = text
    .replace(/\d+-of-\d+/g, ' ')
    .replace(/\d{4}-\d{1,2}-\d{1,2}|(?:19|20)\d{6}(?=\D|$)/g, ' ')
    .replace(/\d+\.\d+/g, ' ');
  const attached = WORD_AND_NUMBER.exec(plain);
  if (attached !== null) return Number(attached[0]);
  let last: number | undefined;
  for (const found of plain.matchAll(/(?<![a-z0-9])\d{1,9}(?![a-z0-9])/g)) {
    if (!NOT_A_POSITION.test(plain.slice(0, found.index))) last = Number(found[0]);
  }
  return last;
}
