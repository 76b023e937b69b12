import { DASHES, type Theme } from '../shared/theme.ts';
import type { GroupMember, NamedSeries, Role } from './grouping.ts';

export interface LineStyle {
  readonly color: string;
  readonly width: number;
  /** Pixels on and off. */
  readonly dash: readonly number[];
}

const ROLE_COLOR: Readonly<Record<Role, number>> = { train: 0, validation: 1, test: 2 };

/**
 * Training is blue, validation orange, test green in every chart; further series of the same split take the colours
 * that are left, then dashes. In high contrast every line has its own dashes, so colour is never the only sign.
 */
export function lineStyles(members: readonly GroupMember<NamedSeries>[], theme: Theme): readonly LineStyle[] {
  const taken = new Set<number>();
  let extra = 3;
  return members.map(({ role }, index) => {
    let color = ROLE_COLOR[role];
    if (taken.has(color)) color = extra++;
    taken.add(color);
    const round = Math.floor(color / theme.series.length);
    return {
      color: theme.series[color % theme.series.length]!,
      width: (role === 'train' ? 1.25 : 1.75) + (theme.highContrast ? 0.5 : 0),
      dash: DASHES[(theme.highContrast ? index : round) % DASHES.length]!,
    };
  });
}
