/**
 * What every page owes to people who see little or nothing, measured in the built-in themes: contrast of text by WCAG
 * 2.2 (1.4.3, and 1.4.11 for what a canvas draws), a name for everything that can be used or is a picture, and a focus
 * that goes through the page in its own order.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import axe from 'axe-core';
import { type Browser, openBrowser } from '../../../scripts/workbench/browser.ts';
import { type OpenPage, openWebview } from './open.ts';
import { curvesSnapshot, sampleReport, sampleRun } from './samples.ts';
import { sampleCheckpoint, sampleComparison, sampleStatistics } from './tensorSamples.ts';
import { type ThemeName, THEMES } from './themes.ts';

/** Of text, and of large text (from 24 pixels, or bold from 18.66). */
const LEAST = { text: 4.5, large: 3 };

interface Text {
  readonly text: string;
  readonly where: string;
  readonly ratio: number;
  readonly least: number;
}

/**
 * For the page: every text that can be seen, with the contrast of its colour against what lies behind it. Where colours
 * have an alpha, they are laid over each other as they are on the screen.
 */
const CONTRASTS = `(() => {
  const context = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgba = (css) => {
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = css;
    context.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = context.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = ([r, g, b, a], [R, G, B]) => [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a), 1];
  const luminance = ([r, g, b]) => {
    const [R, G, B] = [r, g, b].map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * R + 0.7152 * G + 0.0722 * B;
  };
  const page = rgba(getComputedStyle(document.documentElement).getPropertyValue('--vscode-editor-background'));
  const behind = (element) => {
    const layers = [];
    for (let at = element; at !== null; at = at.parentElement) layers.push(rgba(getComputedStyle(at).backgroundColor));
    return layers.reverse().reduce((below, layer) => over(layer, below), page);
  };
  const opacity = (element) => {
    let product = 1;
    for (let at = element; at !== null; at = at.parentElement) product *= Number(getComputedStyle(at).opacity);
    return product;
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const text = walker.currentNode.data.trim();
    if (text === '' || element.closest('script, style, :disabled, [aria-disabled="true"]') !== null) continue;
    if (!element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
    const box = element.getBoundingClientRect();
    // For screen readers only.
    if (box.width <= 1 || box.height <= 1) continue;
    const style = getComputedStyle(element);
    const below = behind(element);
    const [r, g, b, a] = rgba(element.ownerSVGElement ? style.fill : style.color);
    const [x, y] = [luminance(over([r, g, b, a * opacity(element)], below)), luminance(below)];
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    found.push({
      text: text.slice(0, 40),
      where: element.tagName.toLowerCase() + (element.className.baseVal ?? element.className).toString().replace(/(^| )(?=.)/g, '.'),
      ratio: (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05),
      least: large ? ${LEAST.large} : ${LEAST.text},
    });
  }
  return found;
})()`;

/** For the page, once axe is in it: what breaks its rules, but for those on contrast, which skip texts in pictures. */
const VIOLATIONS = `(async () => {
  const { violations } = await axe.run(document, {
    rules: { 'color-contrast': { enabled: false }, 'scrollable-region-focusable': { enabled: true } },
  });
  return violations.flatMap(({ id, help, nodes }) =>
    nodes.map(({ html }) => id + ' (' + help + '): ' + html.slice(0, 160)),
  );
})()`;

/** For the page: the elements that have the focus while Tab is pressed, as their places in the document. */
const FOCUSED = `[...document.querySelectorAll('*')].indexOf(document.activeElement)`;

const PAGES: readonly {
  readonly what: string;
  readonly page: 'curves' | 'result' | 'tensors';
  readonly shows: string;
  readonly fill: (view: OpenPage) => Promise<void>;
}[] = [
  { what: 'curves', page: 'curves', shows: '.plot', fill: (view) => view.post(curvesSnapshot(sampleRun())) },
  {
    what: 'curves without runs',
    page: 'curves',
    shows: 'main',
    fill: (view) =>
      view.post({
        kind: 'snapshot',
        number: 0,
        more: false,
        scanning: false,
        runs: [],
        wanted: null,
        shown: [],
      }),
  },
  {
    what: 'result',
    page: 'result',
    shows: '.comparison',
    fill: (view) => view.post({ kind: 'report', path: '/r.json', report: sampleReport() }),
  },
  {
    what: 'result without a task',
    page: 'result',
    shows: '.report',
    fill: (view) => view.post({ kind: 'report', path: '/r.json', report: sampleReport(false) }),
  },
  {
    what: 'tensors',
    page: 'tensors',
    shows: '.rows tbody tr[data-row]',
    fill: (view) =>
      view.post({ kind: 'checkpoint', checkpoint: sampleCheckpoint(), statistics: sampleStatistics() }),
  },
  {
    what: 'tensors compared',
    page: 'tensors',
    shows: '.rows tbody tr[data-row]',
    fill: (view) => view.post(sampleComparison()),
  },
];

describe('accessibility', () => {
  let browser: Browser;
  before(async () => (browser = await openBrowser()));
  after(() => browser.close());

  for (const { what, page, shows, fill } of PAGES) {
    test(`${what}: text has the contrast it needs in every theme`, async () => {
      const view = await openWebview(browser.page, page);
      await fill(view);
      await view.page.locator(shows).first().waitFor();
      for (const theme of Object.keys(THEMES) as ThemeName[]) {
        await view.setTheme(theme);
        await view.drawn();
        const texts = await view.page.evaluate<readonly Text[]>(CONTRASTS);
        assert.ok(texts.length > 0, 'there is text');
        const weak = texts.filter(({ ratio, least }) => ratio < least);
        assert.deepEqual(
          [
            ...new Set(
              weak.map(({ where, text, ratio }) => `${theme}: ${where} "${text}" ${ratio.toFixed(2)}`),
            ),
          ],
          [],
        );
      }
    });

    test(`${what}: no rule of axe-core is broken, and Tab goes through everything in order`, async () => {
      const view = await openWebview(browser.page, page);
      await fill(view);
      await view.page.locator(shows).first().waitFor();
      await view.page.evaluate(axe.source);
      assert.deepEqual(await view.page.evaluate(VIOLATIONS), []);
      await view.page.evaluate('document.activeElement?.blur()');
      const order: number[] = [];
      for (let i = 0; i < 60; i++) {
        await view.page.keyboard.press('Tab');
        const at = await view.page.evaluate<number>(FOCUSED);
        // Back in the browser's own bar, or at the first again.
        if (at <= 2 || at === order[0]) break;
        order.push(at);
      }
      // It begins where the page has put the focus, and goes round.
      const first = order.indexOf(Math.min(...order));
      assert.deepEqual(
        [...order.slice(first), ...order.slice(0, first)],
        order.toSorted((a, b) => a - b),
      );
    });
  }
});
