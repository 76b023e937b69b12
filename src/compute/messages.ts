/** Narrowing of what arrives over the channel: a message from the other process is `unknown` until it passed here. */
import { isContribution } from '../core/contributions/types.ts';
import type { SerializedError } from '../core/errors.ts';
import { METHODS, RULES } from '../core/averaging/methods.ts';
import type { PassPhase, PassProgress } from '../core/averaging/types.ts';
import { MEMORY_MODES, type FromCompute, type JobName, type Jobs, type ToCompute } from './protocol.ts';

type Fields = Readonly<Record<string, unknown>>;
type Check = (value: unknown) => boolean;

const isRecord = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isText: Check = (value) => typeof value === 'string';
const isNumber: Check = (value) => typeof value === 'number';
const isOneOf =
  (...allowed: readonly unknown[]): Check =>
  (value) =>
    allowed.includes(value);
const isListOf =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(check);
const isOptional =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value);

const isBackend = isOneOf('tensorflow', 'webgpu', 'wasm', 'cpu');
const backend: Check = (value) => value === 'auto' || isBackend(value);
const pytorch = isOptional(
  (value) =>
    isRecord(value) &&
    isOptional(isText)(value['python']) &&
    isOptional(isText)(value['launcher']) &&
    isOptional(isOneOf(...MEMORY_MODES))(value['memory']),
);

/** One check per field; a request with a field more or less is refused. */
const requests: { readonly [J in JobName]: Readonly<Record<keyof Jobs[J]['request'], Check>> } = {
  average: {
    checkpoints: isListOf(isText),
    method: isOneOf(...METHODS),
    coefficients: isOptional(isListOf(isNumber)),
    task: isOptional(isText),
    options: isRecord,
    settings: isOptional(isRecord),
    groups: isOptional(isRecord),
    buffers: isOneOf('recalibrate', 'average', 'newest'),
    seed: isNumber,
    backend,
    pytorch,
    dropOptimizer: isOptional(isOneOf(true, false)),
    output: isText,
    partial: isText,
  },
  live: {
    checkpoints: isListOf(isText),
    task: isText,
    reference: isOptional(isText),
    rule: isOptional(isOneOf(...RULES)),
    seed: isNumber,
    backend,
    useGpu: isOneOf(true, false),
    pytorch,
  },
  evaluate: {
    checkpoints: isListOf(isText),
    task: isText,
    split: isOneOf('fit', 'stop', 'report'),
    backend,
    pytorch,
    seed: isNumber,
  },
  devices: {
    only: isOptional((value) => isRecord(value) && isBackend(value['backend']) && isText(value['directory'])),
  },
  tensorStatistics: { checkpoint: isText, tensors: isOptional(isListOf(isText)) },
  compareTensors: { a: isText, b: isText },
  geometry: { checkpoints: isListOf(isText) },
  command: {
    checkpoint: isText,
    task: isOptional(isText),
    run: isOptional(isText),
    directory: isOptional(isText),
    pattern: isOptional(isText),
    split: isOneOf('validation', 'test'),
  },
  convert: {
    checkpoint: isText,
    output: isText,
    partial: isText,
    dtype: isOptional(isOneOf('F64', 'F32', 'F16', 'BF16')),
  },
};

const phases: Readonly<Record<PassPhase, true>> = {
  reading: true,
  backend: true,
  baselines: true,
  training: true,
  writing: true,
  evaluating: true,
};

/** Throws a plain Error (both sides ship together, so a wrong message is our defect) that says what is wrong. */
export function parseToCompute(message: unknown): ToCompute {
  if (!isRecord(message)) throw new Error('A message to the compute process is not an object.');
  if (message['kind'] === 'cancel') return { kind: 'cancel' };
  const { kind, job, request, contributions } = message;
  if (kind !== 'start' || typeof job !== 'string' || !Object.hasOwn(requests, job) || !isRecord(request)) {
    throw new Error(`The compute process does not know the message ${String(kind)} ${String(job)}.`);
  }
  if (!isOptional(isListOf(isContribution))(contributions)) {
    throw new Error(`The message that starts the job "${job}" is wrong in: contributions.`);
  }
  const checks: Readonly<Record<string, Check>> = requests[job as JobName];
  const wrong = [
    ...Object.keys(checks).filter((field) => !checks[field]!(request[field])),
    ...Object.keys(request).filter((field) => !Object.hasOwn(checks, field)),
  ];
  if (wrong.length > 0) {
    throw new Error(`The request for the job "${job}" is wrong in: ${wrong.join(', ')}.`);
  }
  return message as ToCompute;
}

export function parseFromCompute(message: unknown): FromCompute {
  if (isRecord(message)) {
    const { kind } = message;
    if (kind === 'ready' && isNumber(message['pid'])) return message as FromCompute;
    if (kind === 'progress' && isProgress(message['progress'])) return message as FromCompute;
    if (
      kind === 'log' &&
      isText(message['text']) &&
      isOneOf('debug', 'info', 'warn', 'error')(message['level'])
    ) {
      return message as FromCompute;
    }
    if (kind === 'result' && isRecord(message['result'])) return message as FromCompute;
    if (kind === 'error' && isSerializedError(message['error'])) return message as FromCompute;
  }
  throw new Error('The compute process sent a message that this version does not know.');
}

function isProgress(value: unknown): value is PassProgress {
  return (
    isRecord(value) &&
    typeof value['phase'] === 'string' &&
    Object.hasOwn(phases, value['phase']) &&
    isNumber(value['fraction']) &&
    isText(value['message']) &&
    isOptional(isRecord)(value['point']) &&
    isOptional(isListOf(isNumber))(value['coefficients'])
  );
}

function isSerializedError(value: unknown): value is SerializedError {
  return (
    isRecord(value) &&
    isText(value['code']) &&
    isText(value['message']) &&
    isRecord(value['place']) &&
    isListOf(isText)(value['details'])
  );
}
