import type { LiveLine, LiveResult } from '../../../src/core/live/line.ts';

export const result: LiveResult = {
  method: 'twa',
  rule: 'v4',
  name: 'accuracy',
  goal: 'maximize',
  metric: 0.97,
  loss: 0.1,
  metricInterval: { low: 0.95, high: 0.98 },
  lossInterval: { low: 0.08, high: 0.12 },
  examples: 200,
  coefficients: [0.2, 0.3, 0.5],
  newest: { metric: 0.95, loss: 0.2 },
};

/** A line as a pass over epochs 2 to 4 writes it. */
export function line(more: Partial<LiveLine> = {}): LiveLine {
  return {
    version: 1,
    time: '2026-01-02T03:04:05.000Z',
    step: 52,
    epoch: 4,
    checkpoints: ['epoch-002', 'epoch-003', 'epoch-004'],
    epochs: [2, 4],
    steps: [26, 52],
    task: '/w/twa.json',
    seed: 1,
    ...result,
    ...more,
  };
}

export function reference(more: Partial<NonNullable<LiveLine['reference']>> = {}) {
  return {
    path: '/w/runs/best/epoch-030',
    metric: 0.975,
    loss: 0.09,
    difference: { difference: -0.005, low: -0.02, high: 0.01 },
    isWorse: false,
    ...more,
  };
}
