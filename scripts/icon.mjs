// Draws media/icon.png (the Marketplace takes no SVG) from media/icon.svg, with the Chromium that the tests use:
// `CHROMIUM=/usr/bin/chromium node scripts/icon.mjs`
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const media = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', 'media');
const svg = await readFile(path.join(media, 'icon.svg'), 'utf8');
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  chromiumSandbox: false,
});
try {
  const page = await browser.newPage({ viewport: { width: 128, height: 128 } });
  await page.setContent(`<style>*{margin:0}svg{display:block}</style>${svg}`);
  await writeFile(path.join(media, 'icon.png'), await page.screenshot({ omitBackground: true }));
} finally {
  await browser.close();
}
