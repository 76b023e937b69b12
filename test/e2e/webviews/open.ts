/** Opens a page of ours in a browser as VS Code would: its HTML and policy, a theme, and a host that we play. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Page } from 'playwright-core';
import { newNonce, pageHtml } from '../../../src/extension/panels/html.ts';
import type { CurvesRequest, ToCurves, ToResult } from '../../../webview/protocol.ts';
import { curvesStrings, resultStrings } from '../../../webview/strings.ts';
import type { ToTensors } from '../../../webview/tensors/protocol.ts';
import { tensorsStrings } from '../../../webview/tensors/strings.ts';
import { type ThemeName, THEMES } from './themes.ts';

const STRINGS = { curves: curvesStrings, result: resultStrings, tensors: tensorsStrings };
const ORIGIN = 'http://webview.test';
const pageHost = await readFile(path.join(import.meta.dirname, 'page-host.mjs'), 'utf8');
const built = path.resolve(import.meta.dirname, '../../../dist/webview');

export interface OpenPage {
  readonly page: Page;
  /** As the extension host would: through JSON, typed arrays excepted. */
  post(message: ToCurves | CurvesRequest | ToResult | ToTensors): Promise<void>;
  /** What the page has said so far. */
  sent(): Promise<readonly Readonly<Record<string, unknown>>[]>;
  setTheme(theme: ThemeName): Promise<void>;
  /** After what the test did itself: the page draws in the next frame. */
  drawn(): Promise<void>;
  /** As when a hidden panel is shown again: a new document with the remembered state. */
  reload(): Promise<void>;
  /** Fails when the page reported errors, or broke its content security policy. */
  assertClean(): void;
}

export async function openWebview(
  page: Page,
  name: keyof typeof STRINGS,
  theme: ThemeName = 'dark',
  size = { width: 1200, height: 800 },
): Promise<OpenPage> {
  const errors: string[] = [];
  page.on('console', (entry) => {
    if (entry.type() === 'error' || entry.type() === 'warning') errors.push(entry.text());
  });
  page.on('pageerror', (error) => errors.push(String(error)));
  let shown = theme;
  // State lives as long as the panel, which is as long as this test: each has its own key.
  const key = randomBytes(6).toString('hex');
  // The newest answers; without one between two tests, what the page before still asks for would be an error.
  await page.route(`${ORIGIN}/**`, async (route) => {
    const file = new URL(route.request().url()).pathname.slice(1);
    if (file !== '') {
      await route.fulfill({
        body: await readFile(path.join(built, file)),
        contentType: file.endsWith('.css') ? 'text/css' : 'text/javascript',
      });
      return;
    }
    const nonce = newNonce();
    const html = pageHtml({
      cspSource: ORIGIN,
      nonce,
      scriptUri: `${ORIGIN}/${name}.js`,
      styleUri: `${ORIGIN}/${name}.css`,
      title: name,
      language: 'en',
      strings: STRINGS[name](),
    });
    const host = `<script nonce="${nonce}">${pageHost}
host.begin(${JSON.stringify(key)}, ${JSON.stringify(THEMES[shown])});</script>`;
    await route.fulfill({ body: html.replace('<body>', () => `<body>${host}`), contentType: 'text/html' });
  });
  await page.setViewportSize(size);
  await page.goto(`${ORIGIN}/`);
  const inPage = (expression: string): Promise<unknown> => page.evaluate(`host.${expression}`);
  return {
    page,
    post: async (message) => {
      await inPage(`deliver(${JSON.stringify(pack(message))})`);
    },
    sent: async () => (await inPage('sent')) as readonly Readonly<Record<string, unknown>>[],
    setTheme: async (next) => {
      shown = next;
      await inPage(`setTheme(${JSON.stringify(THEMES[next])})`);
      await inPage('drawn()');
    },
    drawn: async () => {
      await inPage('drawn()');
    },
    reload: async () => {
      await page.reload();
    },
    assertClean: () => assert.deepEqual(errors, []),
  };
}

/** JSON with Float64Arrays as base64, which is what VS Code makes of a message, too. */
const pack = (message: unknown): string =>
  JSON.stringify(message, (_, value: unknown) =>
    value instanceof Float64Array
      ? { $float64: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64') }
      : value,
  );
