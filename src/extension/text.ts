/** Numbers, sizes and times as the views show them. */
import * as l10n from '@vscode/l10n';

/** Binary units with the short names that VS Code uses itself. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB', 'PB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 || value >= 100 ? value.toFixed(0) : value.toFixed(1)} ${units[unit] ?? ''}`;
}

/** A metric with four digits that mean something: enough to compare two checkpoints. */
export function formatMetric(value: number): string {
  if (!Number.isFinite(value) || Number.isInteger(value)) return String(value);
  const size = Math.abs(value);
  return size >= 1e-3 && size < 1e5 ? value.toPrecision(4) : value.toExponential(3);
}

/** Only the time for today, the date as well for any other day: short in a row, and it does not go stale. */
export function formatTime(at: number, now: number, locale?: string): string {
  const today = new Date(at).toDateString() === new Date(now).toDateString();
  return formatter(locale, today).format(at);
}

const formatters = new Map<string, Intl.DateTimeFormat>();

/** Made once: making one takes longer than all the rest of a row. */
function formatter(locale: string | undefined, today: boolean): Intl.DateTimeFormat {
  const key = `${locale ?? ''} ${today}`;
  let known = formatters.get(key);
  if (known === undefined) {
    known = new Intl.DateTimeFormat(locale, {
      ...(today ? {} : { year: 'numeric', month: 'short', day: 'numeric' }),
      hour: '2-digit',
      minute: '2-digit',
    });
    formatters.set(key, known);
  }
  return known;
}

/** "42 s", "3 min", "2 h 5 min", "3 d 4 h": two units at most, for something that is only known roughly. */
export function formatDuration(milliseconds: number): string {
  const seconds = milliseconds / 1000;
  if (seconds < 1) return l10n.t('{0} ms', Math.round(milliseconds));
  if (seconds < 10) return l10n.t('{0} s', seconds.toFixed(1).replace(/\.0$/, ''));
  if (seconds < 99.5) return l10n.t('{0} s', Math.round(seconds));
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return l10n.t('{0} min', minutes);
  const hours = Math.floor(minutes / 60);
  if (hours < 24) {
    return minutes % 60 === 0 ? l10n.t('{0} h', hours) : l10n.t('{0} h {1} min', hours, minutes % 60);
  }
  const days = Math.floor(hours / 24);
  return hours % 24 === 0 ? l10n.t('{0} d', days) : l10n.t('{0} d {1} h', days, hours % 24);
}

/** Makes text from files (names, reasons) show as it is in a MarkdownString. */
export function escapeMarkdown(text: string): string {
  return text.replace(/[\\`*_{}[\]()#+\-!|<>~&$]/g, (symbol) => `\\${symbol}`).replace(/\s*\n\s*/g, ' ');
}
