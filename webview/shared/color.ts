/** CSS colours as themes write them: hexadecimal, or what `color-mix` and friends understand. */

/**
 * The colour without its transparency. Some of VS Code's chart colours are borrowed from translucent highlights
 * (`charts.orange` is #EA5C0055 in the default dark theme), which on a thin line nobody would see.
 */
export function opaque(color: string): string {
  const [, short] = /^#([0-9a-f]{3})[0-9a-f]$/i.exec(color) ?? [];
  if (short !== undefined) return `#${short}`;
  const [, long] = /^#([0-9a-f]{6})[0-9a-f]{2}$/i.exec(color) ?? [];
  if (long !== undefined) return `#${long}`;
  const [, name, channels] = /^(rgb|hsl)a\(([^,]+,[^,]+,[^,]+),[^,]+\)$/i.exec(color) ?? [];
  return name === undefined ? color : `${name}(${channels ?? ''})`;
}

/** The colour with this opacity, whatever notation the theme used. */
export function withAlpha(color: string, alpha: number): string {
  return `color-mix(in srgb, ${color} ${alpha * 100}%, transparent)`;
}

/** Red, green, blue, 0 to 255. */
export type Rgb = readonly [red: number, green: number, blue: number];
