/** Wall time per phase, told by the progress messages that pass by. */
import type { AverageReport, PassPhase, PassProgress } from '../../core/averaging/types.ts';

export class PhaseClock {
  readonly #forward: (progress: PassProgress) => void;
  readonly #elapsed: Partial<Record<PassPhase, number>> = {};
  #current: PassPhase = 'reading';
  #since = performance.now();

  constructor(forward: (progress: PassProgress) => void) {
    this.#forward = forward;
  }

  readonly onProgress = (progress: PassProgress): void => {
    if (progress.phase !== this.#current) {
      this.#stop();
      this.#current = progress.phase;
    }
    this.#forward(progress);
  };

  report(phase: PassPhase, fraction: number, message: string): void {
    this.onProgress({ phase, fraction, message });
  }

  /** Milliseconds so far. */
  timings(): AverageReport['timings'] {
    this.#stop();
    return { ...this.#elapsed };
  }

  #stop(): void {
    const now = performance.now();
    this.#elapsed[this.#current] = Math.round((this.#elapsed[this.#current] ?? 0) + now - this.#since);
    this.#since = now;
  }
}
