import * as l10n from '@vscode/l10n';
import type { PassPhase, PassProgress } from '../../core/averaging/types.ts';

/** Share of the whole that each phase takes, roughly, so that one bar can run from left to right once. */
const SHARES: readonly (readonly [PassPhase, number])[] = [
  ['reading', 0.05],
  ['backend', 0.1],
  ['baselines', 0.15],
  ['training', 0.5],
  ['writing', 0.1],
  ['evaluating', 0.1],
];

/** How far the whole pass is, 0..1. */
export function overall(progress: PassProgress): number {
  let before = 0;
  for (const [phase, share] of SHARES) {
    if (phase === progress.phase) return before + share * Math.min(1, Math.max(0, progress.fraction));
    before += share;
  }
  return before;
}

/** "Training the coefficients: epoch 3 of 10, loss 0.0412". */
export function progressText(progress: PassProgress): string {
  const phase = phaseLabel(progress.phase);
  return progress.message === '' ? phase : `${phase}: ${progress.message}`;
}

function phaseLabel(phase: PassPhase): string {
  switch (phase) {
    case 'reading':
      return l10n.t('Reading checkpoints');
    case 'backend':
      return l10n.t('Starting the compute backend');
    case 'baselines':
      return l10n.t('Measuring the checkpoints');
    case 'training':
      return l10n.t('Training the coefficients');
    case 'writing':
      return l10n.t('Writing');
    case 'evaluating':
      return l10n.t('Evaluating');
  }
}
