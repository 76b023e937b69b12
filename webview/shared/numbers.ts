/** Numbers as both pages write them. Always with a decimal point: they are copied into configurations and papers. */

/** Four digits that mean something, no trailing zeros after an exponent. "NaN" and "∞" are said, not hidden. */
export function formatNumber(value: number, digits = 4): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '∞' : '−∞';
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e7) return minus(String(value));
  if (size < 1e-3 || size >= 1e6)
    return minus(
      value
        .toExponential(digits - 1)
        .replace(/\.?0+e/, 'e')
        .replace('e+', 'e'),
    );
  return minus(value.toPrecision(digits));
}

/** Axis labels: as short as the distance of the ticks allows. */
export function formatTick(value: number, spacing: number): string {
  const size = Math.abs(value);
  if (size < spacing / 1e6) return '0';
  if (size >= 1e6 || size < 1e-4) return minus(shortExponent(value));
  if (size >= 1e4) return `${minus((value / 1000).toFixed(tickDecimals(spacing / 1000)))}k`;
  return minus(value.toFixed(tickDecimals(spacing)));
}

/** One more than for 2 where the distance is 2.5. */
function tickDecimals(spacing: number): number {
  const decimals = decimalsFor(spacing);
  const scaled = spacing * 10 ** decimals;
  return Math.abs(scaled - Math.round(scaled)) < 1e-6 * scaled ? decimals : decimals + 1;
}

/** How many decimals show a difference of this size with one digit. */
export function decimalsFor(difference: number): number {
  if (!(difference > 0) || !Number.isFinite(difference)) return 4;
  return Math.min(10, Math.max(0, Math.ceil(-Math.log10(difference) - 1e-9)));
}

/**
 * Decimals for a column of numbers with these intervals: two digits of the narrowest interval, so that no digit is
 * shown that the next resampling would change, and at least two.
 */
export function decimalsForIntervals(
  intervals: readonly { readonly low: number; readonly high: number }[],
): number {
  const widths = intervals.map(({ low, high }) => high - low).filter((width) => width > 0);
  return widths.length === 0 ? 4 : Math.min(6, Math.max(2, decimalsFor(Math.min(...widths)) + 1));
}

export function fixed(value: number, decimals: number): string {
  return Number.isFinite(value) ? minus(value.toFixed(decimals)) : formatNumber(value);
}

/** "+0.012", "−0.003": a difference always has its sign. */
export function signed(value: number, decimals: number): string {
  const text = fixed(value, decimals);
  return value > 0 ? `+${text}` : text;
}

export function formatBytes(bytes: number): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? value.toFixed(0) : value.toFixed(1)} ${units[unit]!}`;
}

export function formatDuration(milliseconds: number): string {
  if (milliseconds < 1000) return `${milliseconds.toFixed(0)} ms`;
  const seconds = milliseconds / 1000;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const minutes = Math.floor(seconds / 60);
  return `${minutes} min ${Math.round(seconds - 60 * minutes)} s`;
}

const shortExponent = (value: number): string =>
  value
    .toExponential(2)
    .replace(/\.?0+e/, 'e')
    .replace('e+', 'e');
/** A real minus sign is as wide as a digit in tabular figures, and not a hyphen. */
const minus = (text: string): string => text.replace(/^-/, '−');
