/** What a base learning rate is multiplied by, over a training. */
import type { Schedule } from '../types.ts';
import type { Moment } from './rule.ts';

/** Share of the steps during which the learning rate rises to its full height. */
const WARM_UP = 0.2;

export const schedules: Readonly<Record<Schedule, (at: Moment) => number>> = {
  /** A tenth from half of the epochs on, a hundredth from three quarters on: the milestones of train_twa.py. */
  step({ epoch, epochs }) {
    if (epoch >= Math.floor(epochs * 0.75 + 0.9)) return 0.01;
    return epoch >= Math.floor(epochs * 0.5) ? 0.1 : 1;
  },

  /** Down to nothing after the last step. */
  linear: ({ step, steps }) => 1 - step / steps,

  /** After a warm-up, as `cosine_lr` of the published v4 code. */
  cosine({ step, steps }) {
    const warmUp = Math.floor(steps * WARM_UP);
    if (step < warmUp) return (step + 1) / warmUp;
    return 0.5 * (1 + Math.cos((Math.PI * (step - warmUp)) / (steps - warmUp)));
  },
};
