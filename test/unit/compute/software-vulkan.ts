/** Chromium's own Vulkan in software (SwiftShader), for WebGPU without a graphics card: right, and very slow. */
import { existsSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const FOLDERS = [
  '/usr/lib/chromium',
  '/usr/lib/chromium-browser',
  path.dirname(process.env['CHROMIUM'] ?? ''),
];

/** Why a test is skipped. */
export const NO_VULKAN = "no Vulkan in software: install Debian's chromium, or name Chromium in CHROMIUM";

/**
 * Makes this process, and those that it starts, find it. Gives false where there is none: the tests that need it are
 * then skipped.
 */
export function useSoftwareVulkan(): boolean {
  if (process.platform !== 'linux') return false;
  const folder = FOLDERS.find((each) => existsSync(path.join(each, 'vk_swiftshader_icd.json')));
  if (folder === undefined) return false;
  process.env['VK_ICD_FILENAMES'] = path.join(folder, 'vk_swiftshader_icd.json');
  process.env['LD_LIBRARY_PATH'] = [folder, process.env['LD_LIBRARY_PATH'] ?? []].flat().join(path.delimiter);
  // Chromium brings the loader as well, but a running process does not look where it lies. It is no addon, which is an
  // error; it stays loaded (RTLD_NODELETE) all the same, and is then found by its name.
  const NODELETE = 0x1000;
  try {
    process.dlopen(
      { exports: {} },
      path.join(folder, 'libvulkan.so.1'),
      os.constants.dlopen.RTLD_NOW | NODELETE,
    );
  } catch {
    // As expected.
  }
  return true;
}
