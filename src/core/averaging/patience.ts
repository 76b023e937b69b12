/** When training has waited long enough for something better on the stop split. */

/**
 * A fall of the loss by less than this share is no reason to go on: of mixes whose metric ties, the best is the one
 * with the lowest loss anyway, so that such falls count there.
 */
const FALL = 0.01;

/** `patience` epochs without a new best mix, and without a loss that is lower by {@link FALL}. */
export class Patience {
  readonly #patience: number;
  #lowest: { readonly epoch: number; readonly loss: number };

  /** @param loss at the start */
  constructor(patience: number, loss: number) {
    this.#patience = patience;
    this.#lowest = { epoch: 0, loss };
  }

  /**
   * Whether it is over. The loss counts because with bad checkpoints in the set it falls long before the metric rises.
   *
   * @param epoch from 1, the one that has just ended
   * @param best the epoch of the best mix so far, 0 for the start
   */
  isOver(epoch: number, best: number, loss: number): boolean {
    if (loss < (1 - Math.sign(this.#lowest.loss) * FALL) * this.#lowest.loss) this.#lowest = { epoch, loss };
    return epoch >= Math.max(best, this.#lowest.epoch) + this.#patience;
  }
}
