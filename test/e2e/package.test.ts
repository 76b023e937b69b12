/** The packages as files: what lies in them, and that what lies in them runs with nothing else beside it. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { unzipSync } from 'fflate';
import { NO_VULKAN, useSoftwareVulkan } from '../unit/compute/software-vulkan.ts';

const run = promisify(execFile);
const universal = process.env['TWA_VSIX'];
const native = process.env['TWA_PLATFORM_VSIX'];
const NATIVE = /\.(node|so|dll|dylib)$/;

describe('The universal package', { skip: universal === undefined && 'run through "npm test"' }, () => {
  const unpacked = unpack(() => universal!);

  test('has no native part', () => {
    assert.deepEqual(
      unpacked.names.filter((name) => NATIVE.test(name)),
      [],
    );
  });

  test('computes without anything installed', async () => {
    const found = await devices(unpacked.folder);
    assert.equal(found.get('wasm')?.usable, true);
    assert.equal(found.get('webgpu')?.usable, false);
  });
});

describe('The package of this platform', { skip: native === undefined && 'no Dawn for it is here' }, () => {
  const unpacked = unpack(() => native!);

  test("has this platform's native parts, and those of no other", () => {
    const parts = unpacked.names.filter((name) => NATIVE.test(name));
    assert.ok(parts.length > 0);
    const folders = new Set(parts.map((name) => path.posix.dirname(name)));
    assert.equal(folders.size, 1, [...folders].join());
  });

  test('starts WebGPU with nothing else installed', { skip: !useSoftwareVulkan() && NO_VULKAN }, async () => {
    const webgpu = (await devices(unpacked.folder)).get('webgpu');
    // Its adapter in software is told of, and left for wasm.
    assert.match(webgpu?.usable === true ? 'works' : (webgpu?.reason ?? ''), /^works$|swiftshader/i);
  });
});

interface Device {
  readonly name: string;
  readonly usable: boolean;
  readonly reason?: string;
}

/** What the packed command finds, started far from this project. */
async function devices(folder: string): Promise<ReadonlyMap<string, Device>> {
  const { stdout } = await run('node', [path.join(folder, 'extension/dist/cli.mjs'), 'devices', '--json'], {
    cwd: folder,
  });
  return new Map(
    (JSON.parse(stdout) as { devices: Device[] }).devices.map((device) => [device.name, device]),
  );
}

function unpack(vsix: () => string): { folder: string; names: string[] } {
  const unpacked = { folder: '', names: [] as string[] };
  before(async () => {
    unpacked.folder = await mkdtemp(path.join(tmpdir(), 'twa-package-'));
    const files = unzipSync(await readFile(vsix()));
    unpacked.names = Object.keys(files);
    for (const [name, bytes] of Object.entries(files)) {
      const file = path.join(unpacked.folder, name);
      await mkdir(path.dirname(file), { recursive: true });
      if (!name.endsWith('/')) await writeFile(file, bytes);
    }
  });
  after(() => rm(unpacked.folder, { recursive: true, maxRetries: 5 }));
  return unpacked;
}
