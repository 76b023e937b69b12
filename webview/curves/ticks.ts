/** Places for labels on time axes: whole seconds, minutes, hours, days. */
const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const DISTANCES = [
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500],
  ...[1, 2, 5, 10, 15, 30].map((count) => count * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((count) => count * MINUTE),
  ...[1, 2, 3, 6, 12].map((count) => count * HOUR),
  ...[1, 2, 7, 14, 30, 90, 180, 365].map((count) => count * DAY),
];

/** Distance of labels in milliseconds, so that there are at most so many. */
export function tickDistance(milliseconds: number, most: number): number {
  const wanted = milliseconds / most;
  return DISTANCES.find((distance) => distance >= wanted) ?? Math.ceil(wanted / (365 * DAY)) * 365 * DAY;
}

/** Multiples of the distance in `[min, max]`, counted from `origin`. */
export function ticksBetween(min: number, max: number, distance: number, origin = 0): readonly number[] {
  const ticks: number[] = [];
  for (let count = Math.ceil((min - origin) / distance); origin + count * distance <= max; count++) {
    ticks.push(origin + count * distance);
  }
  return ticks;
}

/** Midnight where the user is, so that hours and days are whole there. */
export const midnightBefore = (time: number): number => new Date(time).setHours(0, 0, 0, 0);

/** "90 s" is "1:30", an hour and a half "1:30:00", two days "2d 0:00". */
export function formatElapsed(seconds: number, distance = 1000): string {
  const sign = seconds < 0 ? '−' : '';
  const size = Math.abs(seconds);
  if (distance < SECOND) return `${sign}${size.toFixed(3)} s`;
  const whole = Math.round(size);
  const [days, hours, minutes, rest] = [
    Math.floor(whole / 86_400),
    Math.floor(whole / 3600) % 24,
    Math.floor(whole / 60) % 60,
    whole % 60,
  ];
  const two = (number: number): string => String(number).padStart(2, '0');
  if (days > 0) return `${sign}${days}d${distance < DAY ? ` ${hours}:${two(minutes)}` : ''}`;
  if (hours > 0) return `${sign}${hours}:${two(minutes)}:${two(rest)}`;
  return `${sign}${minutes}:${two(rest)}`;
}

/** A time of day, with the day where the labels are a day apart; in the user's own way of writing it. */
export function formatTime(time: number, distance: number, language: string): string {
  const options: Intl.DateTimeFormatOptions =
    distance >= DAY
      ? { month: 'short', day: 'numeric' }
      : distance >= MINUTE
        ? { hour: '2-digit', minute: '2-digit' }
        : { hour: '2-digit', minute: '2-digit', second: '2-digit' };
  return new Intl.DateTimeFormat(language, options).format(time);
}

/** In full, as a tooltip says it. */
export const formatMoment = (time: number, language: string): string =>
  new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeStyle: 'medium' }).format(time);
