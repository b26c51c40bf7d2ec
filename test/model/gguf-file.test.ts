import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, it } from 'node:test';
import { sizeOf } from '../../src/graph/tensor.ts';
import { GgufFile } from '../../src/model/gguf/gguf-file.ts';
import { readSafetensors } from '../../src/model/safetensors.ts';

const references = path.join(import.meta.dirname, 'references', 'gguf');

const bits = (data: Float32Array | Int32Array): Uint32Array =>
  new Uint32Array(data.buffer, data.byteOffset, data.length);

describe('a GGUF file', () => {
  it('is dequantized bit-identically to the Python package gguf, in every format', async () => {
    const expected = await readSafetensors(path.join(references, 'formats.safetensors'));
    await GgufFile.use(path.join(references, 'formats.gguf'), async (gguf) => {
      assert.deepEqual([...gguf.tensors.keys()].sort(), [...expected.keys()].sort());
      assert.equal(gguf.tensors.size, 13);
      for (const [name, tensor] of gguf.tensors) {
        const { shape, data } = expected.get(name)!;
        assert.equal(tensor.format.name, name);
        assert.deepEqual(tensor.shape, shape);
        assert.ok(sizeOf(shape) > 100);
        assert.deepEqual(bits(await gguf.numbers(tensor)), bits(data), name);
        const second = new Float32Array(shape[1] as number);
        const bytesOfRow = (tensor.end - tensor.start) / (shape[0] as number);
        tensor.format.dequantize(await gguf.bytes(tensor, bytesOfRow, bytesOfRow), second);
        assert.deepEqual(bits(second), bits(data.slice(shape[1], 2 * shape[1]!)), `the second row of ${name}`);
      }
    });
  });
});
