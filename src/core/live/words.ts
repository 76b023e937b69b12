/** Short English for logs and the command line; the editor has its own, translated. */
import type { LiveLine } from './line.ts';
import type { Verdict } from './verdict.ts';

/** "epochs 12-40", "steps 100-400", "7 checkpoints". */
export function rangeOf({ epochs, steps, checkpoints }: LiveLine): string {
  if (epochs !== undefined) return `epochs ${epochs[0]}-${epochs[1]}`;
  if (steps !== undefined) return `steps ${steps[0]}-${steps[1]}`;
  return `${checkpoints.length} checkpoints`;
}

/** "epoch 40", "step 400"; the newest checkpoint's name where it has no number. */
export function placeOf({ step, epoch, checkpoints }: LiveLine): string {
  if (epoch !== undefined) return `epoch ${epoch}`;
  return step === undefined ? (checkpoints.at(-1) ?? '') : `step ${step}`;
}

export function describeLine(line: LiveLine): string {
  const { name, metric, metricInterval, newest, examples, method } = line;
  const average = method === 'twa' ? 'TWA' : 'plain average';
  return (
    `after ${placeOf(line)}: ${name} ${figure(metric)} [${figure(metricInterval.low)}, ${figure(metricInterval.high)}], ` +
    `${average} of ${rangeOf(line)}; the newest alone ${figure(newest.metric)} (${examples} stop examples)`
  );
}

export function describeVerdict({ line, reference }: Verdict): string {
  const { difference } = reference;
  const average = line.method === 'twa' ? 'TWA' : 'the plain average';
  return (
    `stop now: ${average} of ${rangeOf(line)} is within noise of your best run (${line.name} ${figure(line.metric)} against ` +
    `${figure(reference.metric)} of ${reference.path}; difference ${signed(difference.difference)}, 95 % interval ` +
    `${signed(difference.low)} to ${signed(difference.high)}, ${line.examples} stop examples)`
  );
}

function figure(value: number): string {
  return value.toPrecision(4);
}

function signed(value: number): string {
  return `${value < 0 ? '-' : '+'}${Math.abs(value).toPrecision(2)}`;
}
