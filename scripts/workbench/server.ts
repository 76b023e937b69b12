/**
 * A throw-away code-server: VS Code with its real extension host, for a browser to open. Everything it writes lies in
 * one temporary folder. It stays in our process group, so that whoever ends us ends it.
 */
import { spawn, spawnSync } from 'node:child_process';
import { openSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export interface ServerOptions {
  /** A packaged extension to install first. */
  readonly vsix?: string;
  /** Folders of extensions to use in place. */
  readonly links?: readonly string[];
  /** Added to the environment, which the extension host inherits. */
  readonly environment?: Readonly<Record<string, string>>;
  /** User settings on top of the quiet ones. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** Ask whether a workspace is trusted, as VS Code does. By default everything is. */
  readonly workspaceTrust?: boolean;
  /** Obey `extensionDevelopmentPath` and `extensionTestsPath` in the page's address. Suppresses toasts. */
  readonly testDriver?: boolean;
}

export interface Server {
  /** host:port, also the authority of its `vscode-remote:` addresses. */
  readonly authority: string;
  /** The page that opens `folder`, or none; `payload` are pairs such as `['extensionTestsPath', address]`. */
  address(folder: string | undefined, payload?: readonly (readonly [string, string])[]): string;
  /** What it printed so far. */
  log(): string;
  /** Changes user settings. A window that is open does not notice: it reads them when it is loaded. */
  configure(settings: Readonly<Record<string, unknown>>): Promise<void>;
  /** Ends it and removes what it wrote. */
  stop(): Promise<void>;
}

/** No welcome pages, no look-ups on the network, no assistants. */
const QUIET_SETTINGS = {
  'chat.disableAIFeatures': true,
  'extensions.autoCheckUpdates': false,
  'extensions.autoUpdate': false,
  'extensions.ignoreRecommendations': true,
  'git.openRepositoryInParentFolders': 'never',
  'telemetry.telemetryLevel': 'off',
  'update.mode': 'none',
  'workbench.enableExperiments': false,
  'workbench.reduceMotion': 'on',
  'workbench.secondarySideBar.defaultVisibility': 'hidden',
  'workbench.startupEditor': 'none',
  'workbench.welcomePage.walkthroughs.openOnInstall': false,
};

/** A cold start on a busy machine took 5 s. */
const START_MS = 60_000;

export async function startServer(options: ServerOptions = {}): Promise<Server> {
  const folder = await mkdtemp(path.join(tmpdir(), 'twa-server-'));
  const at = (...names: string[]) => path.join(folder, ...names);
  await Promise.all(['home', 'extensions', 'data/User'].map((name) => mkdir(at(name), { recursive: true })));
  await writeFile(at('config.yaml'), 'auth: none\ncert: false\n');
  let settings: Record<string, unknown> = {
    ...QUIET_SETTINGS,
    'security.workspace.trust.enabled': options.workspaceTrust === true,
  };
  const configure: Server['configure'] = async (changes) => {
    settings = { ...settings, ...changes };
    await writeFile(at('data/User/settings.json'), JSON.stringify(settings));
  };
  await configure(options.settings ?? {});

  const environment: NodeJS.ProcessEnv = {
    ...process.env,
    HOME: at('home'),
    XDG_CONFIG_HOME: at('home/.config'),
    XDG_DATA_HOME: at('home/.local/share'),
    XDG_CACHE_HOME: at('home/.cache'),
    // An empty gallery: no marketplace look-ups.
    EXTENSIONS_GALLERY: '{"serviceUrl":""}',
    ...options.environment,
  };
  // Set inside an editor's own terminal, where they would make this one talk to that one.
  delete environment['VSCODE_IPC_HOOK_CLI'];
  delete environment['PASSWORD'];
  const program = [
    required('TWA_CODE_SERVER'),
    ...['--config', at('config.yaml'), '--user-data-dir', at('data'), '--extensions-dir', at('extensions')],
  ];

  for (const link of options.links ?? []) await symlink(link, at('extensions', path.basename(link)));
  if (options.vsix !== undefined) {
    const args = [...program, '--install-extension', options.vsix, '--force'];
    const install = spawnSync(process.execPath, args, { env: environment, encoding: 'utf8' });
    if (install.status !== 0) {
      throw new Error(`code-server could not install ${options.vsix}:\n${install.stdout}${install.stderr}`);
    }
  }

  const authority = `127.0.0.1:${await freePort()}`;
  const output = openSync(at('server.log'), 'w');
  const log = () => readFileSync(at('server.log'), 'utf8');
  const server = spawn(
    process.execPath,
    [
      ...program,
      ...['--auth', 'none', '--bind-addr', authority, '--disable-telemetry', '--disable-update-check'],
      ...['--disable-getting-started-override', '--disable-proxy'],
      ...(options.workspaceTrust === true ? [] : ['--disable-workspace-trust']),
      ...(options.testDriver === true ? ['--vscode-option', 'enable-smoke-test-driver'] : []),
    ],
    { env: environment, stdio: ['ignore', output, output] },
  );
  const gone = () => server.exitCode !== null || server.signalCode !== null;
  process.once('exit', () => server.kill('SIGKILL'));

  const deadline = Date.now() + START_MS;
  while (!(await isHealthy(authority))) {
    if (gone()) throw new Error(`code-server ended:\n${log()}`);
    if (Date.now() > deadline)
      throw new Error(`code-server did not answer in ${START_MS / 1000} s:\n${log()}`);
    await sleep(50);
  }

  return {
    authority,
    configure,
    log,
    address(workspace, payload) {
      const query = new URLSearchParams(
        workspace === undefined ? { ew: 'true' } : { folder: path.resolve(workspace) },
      );
      if (payload !== undefined) query.set('payload', JSON.stringify(payload));
      return `http://${authority}/?${query.toString()}`;
    },
    async stop() {
      server.kill('SIGTERM');
      for (let i = 0; i < 100 && !gone(); i++) await sleep(50);
      server.kill('SIGKILL');
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** What `scripts/test.mjs` and `scripts/start.mjs` found or installed. */
export function required(name: 'TWA_CODE_SERVER' | 'TWA_CHROMIUM'): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set: run this through "npm test" or "npm start".`);
  return value;
}

async function isHealthy(authority: string): Promise<boolean> {
  try {
    return (await fetch(`http://${authority}/healthz`, { signal: AbortSignal.timeout(2000) })).ok;
  } catch {
    return false;
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.on('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      probe.close(() => resolve(port));
    });
  });
}
