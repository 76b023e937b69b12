/** Checkpoints that cannot be averaged with the others, before anything is done. No VS Code here. */
import * as l10n from '@vscode/l10n';
import path from 'node:path';
import { mismatches, requireSameArchitecture } from '../../core/checkpoints/compare.ts';
import type { CheckpointHeader } from '../../core/checkpoints/types.ts';
import type { Dialogs } from '../dialogs.ts';
import { FEWEST } from './choose.ts';

/** A checkpoint that is in the way, and why. */
export interface Unfit {
  readonly path: string;
  readonly reasons: readonly string[];
}

/**
 * The checkpoints of the newest one's architecture. Where others are among them, every difference is listed, and the
 * user may leave them out; undefined where the user turns away.
 * @throws TwaError `mismatch` where fewer than two would remain
 */
export async function fitting(
  headers: readonly CheckpointHeader[],
  dialogs: Pick<Dialogs, 'pickOne'>,
): Promise<readonly CheckpointHeader[] | undefined> {
  const found = mismatches(headers);
  const unfit = new Set(found.map(({ header }) => header));
  const rest = headers.filter((header) => !unfit.has(header));
  if (found.length === 0) return headers;
  if (rest.length < FEWEST) requireSameArchitecture(headers);
  const goOn = await leaveOut(
    found.map(({ header, differences }) => ({ path: header.path, reasons: differences })),
    rest.length,
    l10n.t('These checkpoints are not of the same model as the newest one.'),
    dialogs,
  );
  return goOn ? rest : undefined;
}

/** Lists what is in the way and asks whether to go on with the others. */
export async function leaveOut(
  unfit: readonly Unfit[],
  rest: number,
  why: string,
  dialogs: Pick<Dialogs, 'pickOne'>,
): Promise<boolean> {
  for (;;) {
    const answer = await dialogs.pickOne(
      [
        {
          label: `$(remove) ${l10n.t('Leave Out {0}', unfit.length)}`,
          detail: l10n.t('Go on with the other {0}.', rest),
          value: true,
        },
        ...unfit.flatMap(({ path: file, reasons }) =>
          reasons.map((reason, i) => ({
            ...(i === 0 ? { group: path.basename(file) } : {}),
            label: `$(warning) ${reason}`,
            value: false,
          })),
        ),
      ],
      { title: l10n.t('Average Checkpoints'), placeholder: why },
    );
    if (answer === undefined) return false;
    // Any other line is only there to be read.
    if (answer) return true;
  }
}
