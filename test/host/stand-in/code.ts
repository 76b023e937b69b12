/**
 * Takes the switches that @vscode/test-electron gives the VS Code desktop program and does the same with code-server
 * and headless Chromium: the extension host, the workbench and the test runner inside are VS Code's own.
 */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { format } from 'node:util';
import { openBrowser } from '../../../scripts/workbench/browser.ts';
import { startServer } from '../../../scripts/workbench/server.ts';

const toPath = (given: string) => (given.startsWith('file:') ? fileURLToPath(given) : path.resolve(given));
const switchValues = (name: string) =>
  process.argv.filter((arg) => arg.startsWith(`--${name}=`)).map((arg) => toPath(arg.slice(name.length + 3)));

// A page's address has room for one; any other is installed, as a link.
const [extension, ...others] = switchValues('extensionDevelopmentPath');
const [tests] = switchValues('extensionTestsPath');
const folder = process.argv
  .slice(2)
  .filter((arg) => !arg.startsWith('-'))
  .map(toPath)
  .find((name) => existsSync(name));
if (tests === undefined || extension === undefined || folder === undefined) {
  console.error('Needs --extensionDevelopmentPath, --extensionTestsPath and a folder.');
  process.exit(2);
}

// The extension host inherits this process's environment.
const server = await startServer({ testDriver: true, links: others });
const browser = await openBrowser();
const { page } = browser;
try {
  // The workbench calls these two when its tests write to the console and when they are done.
  await page.exposeFunction('codeAutomationLog', (_level: string, args: unknown[]) => {
    console.log(format(...args).trimEnd());
  });
  const ended = Promise.withResolvers<number>();
  await page.exposeFunction('codeAutomationExit', ended.resolve);
  page.on('crash', () => ended.reject(new Error('The page crashed.')));
  const remote = (file: string) => `vscode-remote://${server.authority}${pathToFileURL(file).pathname}`;
  await page.goto(
    server.address(folder, [
      ['extensionDevelopmentPath', remote(extension)],
      ['extensionTestsPath', remote(tests)],
    ]),
    // A cold server on a busy machine.
    { waitUntil: 'domcontentloaded', timeout: 120_000 },
  );
  process.exitCode = await ended.promise;
} finally {
  await browser.close();
  await server.stop();
}
