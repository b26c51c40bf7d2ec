import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { isolatedSelfTest } from '../../src/engine/isolated-self-test.ts';
import { messageOf } from '../../src/platform/errors.ts';
import { unpackedDebianPackages } from './debian-packages.ts';

/** Mesa's lavapipe implements Vulkan on the CPU. WebGPU accepts it from version 25. */
const packages = ['mesa-vulkan-drivers', 'libvulkan1'];

/** The environment variable with the reason why the WebGPU suite has no adapter. */
export const noAdapter = 'UNMASK_TEST_NO_WEBGPU';

/**
 * Environment variables with which WebGPU has an adapter: this machine's own, or Mesa's software driver. The driver is
 * fetched from the machine's Debian mirror and unpacked into the cache; nothing is installed or upgraded. If it is not
 * available, the environment contains the reason, and the suite is skipped.
 */
export async function webgpuEnvironment(log: (line: string) => void): Promise<NodeJS.ProcessEnv> {
  const { available } = await isolatedSelfTest({ engine: 'onnx', device: 'webgpu' });
  if (available) return {};
  try {
    return await driverIn(await ensureDriver(log));
  } catch (error) {
    return { [noAdapter]: `there is no GPU, and Mesa's software driver could not be fetched (${messageOf(error)})` };
  }
}

async function ensureDriver(log: (line: string) => void): Promise<string> {
  return unpackedDebianPackages('software-vulkan', packages, {
    backports: true,
    onFetch: (folder) => log(`Fetching Mesa's software driver into ${folder}: 22 MB, once.`),
  });
}

async function findFile(folder: string, name: RegExp): Promise<string> {
  const found = (await readdir(folder, { recursive: true })).find((file) => name.test(file));
  if (found === undefined) throw new Error(`${folder} holds no ${name.source}`);
  return path.join(folder, found);
}

async function driverIn(folder: string): Promise<NodeJS.ProcessEnv> {
  const library = await findFile(folder, /libvulkan_lvp\.so$/);
  const manifest = await findFile(folder, /lvp_icd\.[\w.]*json$/);
  const libraries = [path.dirname(library), process.env.LD_LIBRARY_PATH].filter((part) => part !== undefined);
  return { VK_ICD_FILENAMES: manifest, LD_LIBRARY_PATH: libraries.join(path.delimiter) };
}
