import { opaque, withAlpha } from './color.ts';

/**
 * The editor's colours for canvases. A canvas does not know `var()`, so they are read from the page's style, and
 * read again when the theme changes.
 */
export interface Theme {
  readonly foreground: string;
  readonly muted: string;
  readonly background: string;
  readonly grid: string;
  readonly focus: string;
  /** Training, validation, test, then whatever comes. */
  readonly series: readonly string[];
  readonly star: string;
  readonly negative: string;
  readonly font: string;
  /** Pixels. */
  readonly fontSize: number;
  /** Lines are told apart by dashes, and areas get borders. */
  readonly highContrast: boolean;
  /** Light text on a dark background. */
  readonly dark: boolean;
}

export function readTheme(): Theme {
  const style = getComputedStyle(document.documentElement);
  const read = (...names: readonly string[]): string => {
    for (const name of names) {
      const value = style.getPropertyValue(`--vscode-${name}`).trim();
      if (value !== '') return value;
    }
    return 'gray';
  };
  const { classList } = document.body;
  const highContrast =
    classList.contains('vscode-high-contrast') || classList.contains('vscode-high-contrast-light');
  const foreground = read('editor-foreground', 'foreground');
  return {
    foreground,
    muted: highContrast ? foreground : read('descriptionForeground', 'foreground'),
    background: read('editor-background'),
    grid: highContrast
      ? withAlpha(read('contrastBorder', 'foreground'), 0.35)
      : withAlpha(read('charts-lines', 'foreground'), 0.16),
    focus: read('focusBorder', 'contrastActiveBorder'),
    series: [
      opaque(read('charts-blue')),
      // High contrast themes have no chart orange, or a second blue in its place.
      opaque(highContrast ? read('editorWarning-foreground', 'foreground') : read('charts-orange')),
      ...['green', 'purple', 'red', 'yellow'].map((name) => opaque(read(`charts-${name}`))),
    ],
    star: opaque(read('charts-yellow')),
    negative: opaque(read('charts-red')),
    font: read('font-family'),
    fontSize: parseFloat(style.getPropertyValue('--vscode-font-size')) || 13,
    highContrast,
    dark:
      classList.contains('vscode-dark') ||
      (classList.contains('vscode-high-contrast') && !classList.contains('vscode-high-contrast-light')),
  };
}

/** Calls when the theme, its contrast or the font changes: VS Code rewrites the body's class and the root's style. */
export function onThemeChange(listener: () => void): void {
  const observer = new MutationObserver(listener);
  observer.observe(document.documentElement, { attributes: true, attributeFilter: ['style', 'class'] });
  observer.observe(document.body, { attributes: true, attributeFilter: ['style', 'class'] });
}
