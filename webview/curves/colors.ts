/** A colour for every run, which it keeps: whatever other runs come, go or are hidden, and over a reload. */

/** Hues around the circle; runs beyond them share, and are told apart by dashes. */
export const HUES = 24;

/**
 * Places in the row of hues. A run's directory says where it would like to be; where another run is already, it takes
 * the next place that is free, far from the first one. What is known stays.
 */
export function assignPlaces(
  directories: readonly string[],
  known: Readonly<Record<string, number>>,
): Readonly<Record<string, number>> {
  const fresh = directories.filter((directory) => known[directory] === undefined);
  if (fresh.length === 0) return known;
  const places: Record<string, number> = { ...known };
  const taken = new Set(directories.flatMap((directory) => known[directory] ?? []));
  for (const directory of fresh) {
    let place = hash(directory) % HUES;
    // 7 has no divisor in common with 24: it leads through all of them.
    for (let tries = 0; tries < HUES && taken.has(place); tries++) place = (place + 7) % HUES;
    while (taken.has(place)) place += HUES;
    taken.add(place);
    places[directory] = place;
  }
  return places;
}

/** What of a theme a colour depends on: no more, so that it can be tested without a browser. */
interface Brightness {
  readonly dark: boolean;
  readonly highContrast: boolean;
}

/** As bright as the theme's own chart colours; in high contrast nearly as far from the background as text. */
export function runColor(place: number, { dark, highContrast }: Brightness): string {
  const hue = (place % HUES) * (360 / HUES) + 12;
  const lightness = dark ? (highContrast ? 0.82 : 0.74) : highContrast ? 0.42 : 0.55;
  return `oklch(${lightness} ${dark ? 0.13 : 0.14} ${hue})`;
}

/** FNV-1a. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  }
  return value >>> 0;
}
