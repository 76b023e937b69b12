import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { chromium, type Page } from 'playwright-core';
import { required } from './server.ts';

export interface Browser {
  readonly page: Page;
  /** Ends it and removes its profile. */
  close(): Promise<void>;
}

/** Headless Chromium with a fresh profile, which asks the network for nothing. */
export async function openBrowser(viewport = { width: 1400, height: 900 }): Promise<Browser> {
  const profile = await mkdtemp(path.join(tmpdir(), 'twa-browser-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: required('TWA_CHROMIUM'),
    headless: true,
    // Root, as in a container, cannot have Chromium's sandbox; the only page it opens is our own.
    chromiumSandbox: false,
    viewport,
    // Debian's Chromium writes crash reports below HOME whatever the profile.
    env: { ...process.env, HOME: profile, XDG_CONFIG_HOME: profile, XDG_CACHE_HOME: profile },
    args: [
      '--headless',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
  return {
    page: context.pages()[0] ?? (await context.newPage()),
    async close() {
      await context.close();
      await rm(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
