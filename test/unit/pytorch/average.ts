import path from 'node:path';
import { twa } from '../cli/cli.ts';
import { checkpointsIn, python, type Kind } from './python.ts';

/** Fitted by TWA to `out`; more options in `args`. */
export function average(directory: string, kind: Kind, out: string, args: readonly string[] = []) {
  return twa(
    [
      'average',
      ...checkpointsIn(directory, kind),
      '--out',
      path.join(directory, out),
      '--epochs',
      '3',
      '--python',
      python!,
      '--json',
      ...args,
    ],
    directory,
  );
}
