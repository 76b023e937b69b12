/** One scale for the interval bars of a column. */
export interface Scale {
  readonly min: number;
  readonly max: number;
  /** 0..1 from left to right; NaN for what is not finite. */
  at(value: number): number;
}

interface Bar {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/**
 * From the lowest to the highest end that is finite. A diverged row must not squeeze the others into one pixel: where
 * one of them is more than ten times as far out as the span of the rest, it is cut off at the edge.
 */
export function intervalScale(bars: readonly Bar[]): Scale | undefined {
  const finite = bars.filter(({ value, low, high }) => [value, low, high].every(Number.isFinite));
  if (finite.length === 0) return undefined;
  const kept = finite.filter(
    (bar) =>
      !isFarOut(
        bar,
        finite.filter((other) => other !== bar),
      ),
  );
  const rows = kept.length === 0 ? finite : kept;
  const low = Math.min(...rows.map((bar) => Math.min(bar.low, bar.value)));
  const high = Math.max(...rows.map((bar) => Math.max(bar.high, bar.value)));
  const [min, max] = low === high ? [low - 0.5, high + 0.5] : [low, high];
  return { min, max, at: (value) => Math.min(1, Math.max(0, (value - min) / (max - min))) };
}

function isFarOut(bar: Bar, others: readonly Bar[]): boolean {
  if (others.length < 2) return false;
  const low = Math.min(...others.map((other) => other.low));
  const high = Math.max(...others.map((other) => other.high));
  const span = high - low;
  return span > 0 && (bar.low > high + 10 * span || bar.high < low - 10 * span);
}
