import { createHash } from 'node:crypto';

export type CountdownPart = 'training' | 'validation' | 'test' | 'public';

/**
 * The part of a problem, by a digest of its sorted numbers and its target, so that the order of the numbers does not
 * matter. The 256 items of the public test file (SPG, arXiv 2510.09541) are in no other part; of all other problems, 1 in
 * 32 is for validation and 1 in 32 for testing.
 */
export function countdownPart(numbers: readonly number[], target: number): CountdownPart {
  const sorted = [...numbers].sort((first, second) => first - second);
  const digest = createHash('sha256')
    .update(`${sorted.join(',')}=${target}`)
    .digest();
  if (publicItems.has(digest.toString('hex', 0, 5))) return 'public';
  const bucket = digest[31] % 32;
  return bucket === 0 ? 'validation' : bucket === 1 ? 'test' : 'training';
}

/** The first 40 bits of each public item's SHA-256: enough to recognise an item, not to reconstruct it. */
const publicItems = new Set(
  `
03c6c7730c 068b65df54 0b0f58d449 0c60ab7552 0cc391c935 0f69ebc4e9 0fad03f9ef 1074ab1799 10ea360d99 11ac292a7f
11e1af2dfd 120f07214b 125c8d00ff 12fddb1708 158ef83ff5 16286c0685 16bfc8891a 16e2850ea9 175d752ddd 17818acc00
179c5e9b9a 18c4583a80 18d7d8e87b 197a12cd4e 19d22fea8c 1a55ba9b0c 1b6c0d3862 1ba5e6ce2a 1bc727de34 1e06ef3508
1e7b4446e2 1edc1f12f3 1f2a3d16e4 1f3edba5cb 20aca910ec 2281d03e48 2381d74c98 23d8badd5b 2454639af3 254abdced6
260a18a079 26561e9926 267842661a 28e69499cf 2a9f4f2790 2ac67b8aa6 2d8d940fad 308a765589 30a16542a7 31b8f9bd30
35fd082f69 376f72b983 38df772705 3e95fa8874 3f058d4339 405dd83947 42872b14ae 4391e59884 44a9b40d63 47569740be
47fed2a023 4862f22805 4a0f80404b 4a2a463237 4c96ec69d8 4dcc697120 52ce57274c 53ca08429b 54add4aa2e 54f079b6d2
558a491a0c 567914f267 56dfa4c616 579c78d9d9 57d10c729b 58550eabe5 594fd8b5dc 59ca7b434e 59ef91867f 59fc9da638
5b86aea1e7 5c5c25414f 61b36ac4e6 6240813027 6695aaffdc 69b3b48e3a 69d00d77b1 6b27cb2c07 6b9c04ac11 6e53a4445e
6fd4f845af 700653324b 7471b07f8f 760977733a 77932bf84e 78913aeb75 79026697dc 79f413c76b 7abfa6cf76 7bc71a1b3d
7c0ea5905e 7c81e4cb72 7cb4de1fde 7fa6d73f7a 8032a804d4 808a841325 80d9c18e82 816778deb8 83b1bea8b6 88a0f270bd
89a7fef039 89b203893a 89d679a9fc 8a194189ad 8a39a377d5 8ac4615fa6 8d752a857d 8ef1177d55 8f96dfa6d8 8f9ba20d67
8fd8852e46 900042ab51 90269fb591 90e02dfc14 922eede6ba 9252b472f2 93fb47a581 94e4f91631 96058a31fa 978398ba62
9b94c65a6f 9bd2895d05 9c609a8413 9ce5fbe377 9cf3574900 9d5adfe00f 9f023c21ee a549dc68da a571de65e1 a5ba36bf13
a61e9969a7 a6558d6b49 a7cfa8d8c8 a82041cc4f a8da174329 a8e86a9f23 a99a69079f a9c5f6679c ab852c9d22 abca514992
abdfa0c2fc ac882caa2b ad7a59ccc6 ad8357fe87 ae1fb00cb0 aec46029c0 b04b57bc53 b06ea25144 b11d2fefc6 b31cb7de2b
b33941035a b3df3d3a27 b403428abd b4a820179a b6534a148d b807984348 b818fa49dd b8c374f9e9 b9b47571a0 ba5029bb06
ba5b11274c bacc0924da bb921ae11a bc7d12a81c bc80a3caa6 bc991c0091 bccc68860a bccf58f9a9 bd65147ee3 bd770e3a25
bf152b2b58 bf61a9c2d5 c0fae573ab c14bf6fb86 c1fc198067 c24d07493b c27098e1dc c35651829b c3ef8892ac c6352cc5ae
c79e9eea10 c7af429b64 c7e3b8d01a c86aaa1c54 c90ea2fa5e cb331a5fc9 cb749668d6 ccbb992f20 ccc4ec794b ce9c71f361
cf4096366e d0ab9861e2 d12f1c7220 d1ebb422f9 d38f9069ae d3bdc6fc6b d45b1a1901 d46e04ecea d51921f38e d5b2bccb94
d63cc8efaf d8db8513a8 d9c18bfad1 daa25903b0 dae6671f46 db741dcae0 dcd4d340d4 dd57e0cf64 ded8c472f9 df295b1417
dffbb59496 e0728393d4 e22d803ee3 e249b33d63 e24ed4a013 e2791a857b e2a02434e2 e2c2761bdc e2dab25a2f e38f592c7d
e599004977 e6443a3265 e6f85496c9 e96f9ade1e e9a459e016 e9f024a8ef ea4a074805 ea8744bdbd ebbfc6f8b1 ed50dfc14f
ee06b8f720 ef650e80c6 efc155026d f04779ec74 f1c979af6f f336364827 f34635c32f f41a6c5196 f5ed502bfb f6ea5ac4e9
f981d28d7f fa867d3bb6 fbc153670a fc45cf5155 fc904733fb ff55840e56
`.match(/\w+/g),
);
