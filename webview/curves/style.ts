import { DASHES } from '../shared/dashes.ts';
import { HUES, runColor } from './colors.ts';
import type { GroupMember, NamedSeries, Role } from './grouping.ts';

/** What of a theme lines depend on: no more, so that it can be tested without a browser. */
export interface Palette {
  /** Training, validation, test, then whatever comes. */
  readonly series: readonly string[];
  readonly highContrast: boolean;
  readonly dark: boolean;
}

export interface LineStyle {
  readonly color: string;
  readonly width: number;
  /** Pixels on and off. */
  readonly dash: readonly number[];
}

const ROLE_COLOR: Readonly<Record<Role, number>> = { train: 0, validation: 1, test: 2, averaged: 3 };

const widthOf = (role: Role, theme: Palette): number =>
  (role === 'train' ? 1.25 : 1.75) + (theme.highContrast ? 0.5 : 0);

/**
 * Of one run: training is blue, validation orange, test green in every chart, averages purple and dashed; further series
 * of the same split take the colours that are left, then dashes. In high contrast every line has its own dashes, so
 * colour is never the only sign.
 */
export function lineStyles(
  members: readonly GroupMember<NamedSeries>[],
  theme: Palette,
): readonly LineStyle[] {
  const taken = new Set<number>();
  let extra = 3;
  return members.map(({ role }, index) => {
    let color = ROLE_COLOR[role];
    while (taken.has(color)) color = extra++;
    taken.add(color);
    const round = Math.floor(color / theme.series.length);
    return {
      color: theme.series[color % theme.series.length]!,
      width: widthOf(role, theme),
      dash: DASHES[(theme.highContrast ? index : round + (role === 'averaged' ? 1 : 0)) % DASHES.length]!,
    };
  });
}

/** Splits when the colour is the run's: validation is solid. */
const ROLE_DASH: Readonly<Record<Role, number>> = { validation: 0, train: 4, test: 2, averaged: 1 };

/**
 * Of several runs: the colour is the run's, dashes tell splits apart. Runs of one split (and in high contrast all) have
 * dashes of their own where colours are not enough.
 * @param place of the run in the row of colours.
 * @param roles splits in the chart.
 */
export function runStyle(place: number, role: Role, roles: number, theme: Palette): LineStyle {
  const own = theme.highContrast ? place : Math.floor(place / HUES);
  const dash = roles > 1 && !theme.highContrast ? ROLE_DASH[role] : own + (roles > 1 ? ROLE_DASH[role] : 0);
  return {
    color: runColor(place, theme),
    width: widthOf(role, theme),
    dash: DASHES[dash % DASHES.length]!,
  };
}
