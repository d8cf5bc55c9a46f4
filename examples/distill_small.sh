#!/usr/bin/env bash
# What a small diffusion teacher and the ImageNet start are worth to the onboard network: the networks of "A small teacher" in
# docs/training.md. usage, with the environment's programs on the path and after 'make weights' has made weights_out:
#   PROMPTMID_DATA=... bash examples/distill_small.sh OUT
set -euo pipefail
out=${1:?usage: distill_small.sh OUT}
mkdir -p "$out"
compact=promptmid_core/training/recipes/compact.yaml
data=(--data weights_out/california "$PROMPTMID_DATA/data" weights_out/world-100 weights_out/world-101 weights_out/world-102
      --sources ombria-floods,sen12-landuse,sen12-spring90)

recipe() { # NAME CYCLE: the shipped recipe with another schedule
    sed "s/{steps: 8500.*}/{$2}/" $compact > "$out/$1.yaml"
}
recipe short "steps: 1500, rate: 2.0e-3, encoder_rate: 0.3, every: 500"
recipe aggregate "steps: 1200, rate: 2.0e-3, every: 400"
recipe promptdm "steps: 1500, batch: 8, rate: 5.0e-4, every: 500"
printf 'geometry: {patch: 128, window: 192}\nlora_rank: 0\n' >> "$out/promptdm.yaml"
sed 's/pretrained: true/pretrained: false/' "$out/short.yaml" > "$out/scratch.yaml"

if ! [ -f "$out/small/trained" ]; then
    rm -rf "$out/small"
    python test/checkpoints.py "$out/small" --unet 64,128 --vae 16,32,32
    python examples/train_vae.py "$out/small/config.yaml" "${data[@]}"
    touch "$out/small/trained"
fi
promptmid train promptdm --model "$out/small/config.yaml" "${data[@]}" --recipe "$out/promptdm.yaml" --out "$out/promptdm"
for without in vision diffusion; do
    promptmid train aggregate --model "$out/promptdm/config.yaml" --without $without "${data[@]}" --recipe "$out/aggregate.yaml" \
        --out "$out/without_$without"
done
promptmid train distill --model "$out/without_vision/full/profile.yaml" "${data[@]}" --recipe "$out/short.yaml" --out "$out/distilled"
for start in short scratch; do
    promptmid train student "${data[@]}" --recipe "$out/$start.yaml" --out "$out/$start"
done
