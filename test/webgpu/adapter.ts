import { noAdapter } from '../../scripts/testing/software-vulkan.ts';
import type { Engine } from '../../src/engine/engine.ts';
import { isolatedSelfTest } from '../../src/engine/isolated-self-test.ts';
import { OnnxEngine } from '../../src/engine/onnx/onnx-engine.ts';

export const openWebgpu = async (): Promise<Engine> => new OnnxEngine('webgpu');

/**
 * Why there is no WebGPU adapter to test on; null: there is one. The check runs in a separate process, because without
 * an adapter, or with a bad driver, the library may crash.
 */
export async function reasonToSkip(): Promise<string | null> {
  const reason = process.env[noAdapter];
  if (reason !== undefined) return reason;
  const report = await isolatedSelfTest({ engine: 'onnx', device: 'webgpu' });
  return report.available ? null : (report.reason ?? 'not available');
}
