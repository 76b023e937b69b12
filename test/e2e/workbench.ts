/** The workbench as its user sees it: what the end-to-end tests know of its pages. */
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Frame, Locator, Page } from 'playwright-core';
import { openBrowser, type Browser } from '../../scripts/workbench/browser.ts';
import { startServer, type Server, type ServerOptions } from '../../scripts/workbench/server.ts';

const SCREENSHOTS = path.resolve(import.meta.dirname, '../../test-output/screenshots');
/** A cold workbench on a busy machine needs most of it. */
const PATIENCE_MS = 45_000;
const SETTINGS = {
  'workbench.colorTheme': 'Dark Modern',
  'window.autoDetectColorScheme': false,
  'explorer.compactFolders': false,
  // A webview that has just loaded takes the focus.
  'workbench.quickOpen.closeOnFocusLost': false,
  // The hover of one row would cover the next, which the test is about to click.
  'workbench.hover.delay': 600_000,
};
/** For the page: what the workbench has stored of its editors, as text. */
const STORED_EDITORS = `(async () => {
  const answer = (request) =>
    new Promise((resolve, reject) => {
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
  const texts = [];
  for (const { name } of await indexedDB.databases()) {
    if (!name.startsWith('vscode-web-state-db-')) continue;
    const database = await answer(indexedDB.open(name));
    const store = database.transaction('ItemTable').objectStore('ItemTable');
    texts.push(await answer(store.get('memento/workbench.parts.editor')));
    database.close();
  }
  return texts.join();
})()`;
/** Menus fade in, and take no click meanwhile. */
const FADE_MS = 300;

export interface WorkbenchOptions extends ServerOptions {
  /** VS Code's display language, which extensions are asked for. */
  readonly language?: string;
}

export class Workbench {
  readonly page: Page;
  readonly server: Server;
  readonly #browser: Browser;
  readonly #folder: string | undefined;
  readonly #problems: string[] = [];

  private constructor(server: Server, browser: Browser, folder: string | undefined) {
    this.server = server;
    this.#browser = browser;
    this.page = browser.page;
    this.#folder = folder;
    this.page.setDefaultTimeout(PATIENCE_MS);
    this.page.on('console', (message) => {
      if (message.type() === 'error') this.#problems.push(message.text());
    });
  }

  /** Opens a folder, or an empty window, with the packaged extension installed. */
  static async open(
    folder: string | undefined,
    { language, ...options }: WorkbenchOptions = {},
  ): Promise<Workbench> {
    await mkdir(SCREENSHOTS, { recursive: true });
    const vsix = process.env['TWA_VSIX'];
    if (vsix === undefined) throw new Error('TWA_VSIX is not set: run this through "npm test".');
    const server = await startServer({
      vsix,
      ...options,
      settings: { ...SETTINGS, ...options.settings },
    });
    let browser: Browser | undefined;
    try {
      browser = await openBrowser();
      const workbench = new Workbench(server, browser, folder);
      if (language !== undefined) {
        // What a language pack's script does before anything else; its texts of the workbench itself are not here.
        await workbench.page.addInitScript(`globalThis._VSCODE_NLS_LANGUAGE = ${JSON.stringify(language)};`);
      }
      await workbench.load();
      return workbench;
    } catch (error) {
      // What is left running would keep the test from ending, and from telling why.
      await browser?.close();
      await server.stop();
      throw error;
    }
  }

  async load(): Promise<void> {
    await this.page.goto(this.server.address(this.#folder), { waitUntil: 'domcontentloaded' });
    await this.page.locator('.monaco-workbench').waitFor();
  }

  /**
   * As a user's reload, who is never quicker than the browser: it stores what is open every five seconds only.
   * @param state what it is to have stored of the editors beside their titles.
   */
  async reload(state = /^/): Promise<void> {
    const titles = await this.page
      .locator('.tabs-container')
      .getByRole('tab')
      .locator('.label-name')
      .allTextContents();
    await eventually(`the browser stores that ${titles.join(', ')} are open`, async () => {
      const stored = await this.page.evaluate<string>(STORED_EDITORS);
      return (titles.every((title) => stored.includes(title)) && state.test(stored)) || undefined;
    });
    await this.load();
  }

  async close(): Promise<void> {
    await this.#browser.close();
    await this.server.stop();
  }

  /** What the pages refused or threw, webviews included. */
  problems(pattern: RegExp): readonly string[] {
    return this.#problems.filter((text) => pattern.test(text));
  }

  get sideBar(): Locator {
    return this.page.locator('[id="workbench.parts.sidebar"]');
  }

  async showView(name: string | RegExp): Promise<void> {
    const tab = this.page.locator('.activitybar').getByRole('tab', { name });
    await tab.waitFor();
    // A second click on the view that is shown would hide the side bar.
    if ((await tab.getAttribute('aria-expanded')) !== 'true') await tab.click();
  }

  /** Rows of the tree in the side bar by what a screen reader says. */
  rows(name: string | RegExp): Locator {
    return this.sideBar.getByRole('treeitem', { name });
  }

  /** Rows of the Explorer. */
  files(name: string): Locator {
    return this.sideBar.locator('.explorer-folders-view .monaco-list-row', { hasText: name }).first();
  }

  /**
   * Checks a row until `taken` says that it is: VS Code shows the check at once, and loses the click all the same when
   * it was just drawing the row anew.
   */
  async tick(row: Locator, taken: Locator): Promise<void> {
    await eventually('a checked row', async () => {
      const unchecked = row.getByRole('checkbox', { checked: false });
      if (await unchecked.isVisible()) await unchecked.click();
      return (await appears(taken, 3000)) || undefined;
    });
  }

  /** Chooses from a context menu; a second label chooses from the submenu of the first. */
  async chooseFromMenu(target: Locator, ...labels: readonly string[]): Promise<void> {
    await this.openMenu(target, labels[0]);
    for (const label of labels) {
      // The last: the entry that opens a submenu holds it.
      const item = this.menuItems.filter({ hasText: label }).last();
      await item.waitFor();
      await sleep(FADE_MS);
      await item.click();
    }
  }

  /**
   * Opens a context menu, again when something that moves the page closes it. A menu is made when it opens: what
   * depends on something the workbench learns a moment later, such as whether it trusts the folder, is only in the next.
   */
  async openMenu(target: Locator, label: string | RegExp = /./): Promise<void> {
    const item = this.menuItems.filter({ hasText: label }).first();
    await eventually(`a context menu with ${label}`, async () => {
      await target.click({ button: 'right' });
      if (await appears(item, 2000)) {
        await sleep(FADE_MS);
        if (await item.isVisible()) return true;
      }
      await this.page.keyboard.press('Escape');
      return undefined;
    });
  }

  /** Presses a key that brings up a list, again when it is lost: a webview that loads takes the focus from `target`. */
  async pressForPicks(target: Locator, key: string): Promise<void> {
    await eventually(`a list after ${key}`, async () => {
      await target.focus();
      await this.page.keyboard.press(key);
      return (await appears(this.picks.first(), 2000)) || undefined;
    });
  }

  get menuItems(): Locator {
    return this.page.locator('.monaco-menu .action-item:not(.disabled)');
  }

  /** Lines of the list at the top of the window: palette and quick picks. */
  get picks(): Locator {
    return this.page.locator('.quick-input-widget:visible .quick-input-list .monaco-list-row');
  }

  async pick(label: string): Promise<void> {
    await this.picks.filter({ hasText: label }).first().click();
  }

  /**
   * Runs a command by its title. The palette's list is made when it opens, so that a command which an extension adds
   * a moment later is only in the next one.
   */
  async runCommand(title: string): Promise<void> {
    const line = this.picks.filter({ hasText: title }).first();
    await eventually(`the command "${title}"`, async () => {
      await this.searchPalette(title);
      if (await appears(line, 2000)) return true;
      await this.page.keyboard.press('Escape');
      return undefined;
    });
    await line.click();
  }

  async searchPalette(text: string): Promise<void> {
    const input = this.page.locator('.quick-input-widget:visible input').first();
    // A key that is pressed while a webview loads is lost.
    await eventually('the palette', async () => {
      await this.page.keyboard.press('F1');
      return (await appears(input, 2000)) || undefined;
    });
    await input.fill(`>${text}`);
  }

  async setTheme(label: string): Promise<void> {
    await this.runCommand('Preferences: Color Theme');
    await this.picks.first().waitFor();
    await this.page.keyboard.type(label);
    await this.picks.filter({ hasText: label }).first().click();
  }

  toast(text: string | RegExp): Locator {
    return this.page.locator('.notification-toast', { hasText: text });
  }

  editorTab(name: string | RegExp): Locator {
    return this.page.locator('.tabs-container').getByRole('tab', { name });
  }

  async closeEditor(name: RegExp): Promise<void> {
    const tab = this.editorTab(name);
    await tab.hover();
    await tab.getByRole('button', { name: /^Close/ }).click();
    await tab.waitFor({ state: 'detached' });
  }

  /**
   * The document inside a webview. They all lie in frames of frames with names that say nothing; `selector` matches
   * in one of them, once its script has run.
   */
  async webview(selector: string): Promise<Frame> {
    return eventually(`a webview with ${selector}`, async () => {
      for (const frame of this.page.frames()) {
        if (frame.parentFrame() !== null && (await isVisible(frame, selector))) return frame;
      }
      return undefined;
    });
  }

  async screenshot(name: string): Promise<void> {
    await this.page.screenshot({ path: path.join(SCREENSHOTS, `${name}.png`) });
  }

  /** Runs a part of a test; when it fails, keeps a picture of what there was to see. */
  async watched<T>(name: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      await this.screenshot(`failed-${name.replaceAll(/\W+/g, '-')}`);
      throw error;
    }
  }
}

async function isVisible(frame: Frame, selector: string): Promise<boolean> {
  try {
    return await frame.locator(selector).first().isVisible();
  } catch {
    // The frame went away meanwhile.
    return false;
  }
}

async function appears(locator: Locator, timeout: number): Promise<boolean> {
  try {
    await locator.waitFor({ timeout });
    return true;
  } catch {
    return false;
  }
}

/** Asks again and again until there is an answer. */
export async function eventually<T>(
  what: string,
  ask: () => Promise<T | undefined> | T | undefined,
): Promise<T> {
  const end = Date.now() + PATIENCE_MS;
  while (Date.now() < end) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    await sleep(50);
  }
  throw new Error(`Did not happen within ${PATIENCE_MS / 1000} s: ${what}`);
}
