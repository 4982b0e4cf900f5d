# SPDX-License-Identifier: MIT
# large: ffmpeg
# needs: ffmpeg ffprobe
# timeout: 240
# ffmpeg: moving pictures and sound made, filtered, encoded by threads (x264, mpeg4, vp9, aac, flac) and read again.
set -eu
f() { ffmpeg -hide_banner -loglevel error -nostdin -bitexact "$@"; }
sum() { sed -n '/^[^#]/p' "$1" | md5sum; }
f -f lavfi -i testsrc2=size=320x240:rate=25:duration=3 -f lavfi -i sine=frequency=440:duration=3 \
	-vf "scale=256:192,hue=h=30,unsharp" -threads 4 -c:v libx264 -preset veryfast -x264-params threads=4:deterministic=1 \
	-c:a aac -threads 2 a.mkv
ffprobe -loglevel error -show_entries stream=codec_name,width,nb_read_packets -count_packets -of csv a.mkv
f -threads 4 -i a.mkv -f framemd5 a.md5 && sum a.md5
f -f lavfi -i mandelbrot=size=320x240:rate=10 -t 2 -threads 4 -c:v mpeg4 -q:v 4 b.avi
f -threads 2 -i b.avi -filter_complex "split[a][b];[a]vflip[c];[b][c]hstack" -threads 4 -c:v ffv1 -level 3 -slices 4 c.mkv
f -threads 4 -i c.mkv -f framemd5 c.md5 && sum c.md5
f -i a.mkv -t 1 -c:v libvpx-vp9 -deadline realtime -cpu-used 8 -row-mt 1 -threads 2 -an d.webm
ffprobe -loglevel error -show_entries stream=codec_name,nb_read_frames -count_frames -of csv d.webm
f -f lavfi -i "sine=frequency=300:duration=5,aecho,volume=0.5" -c:a flac e.flac && f -i e.flac -f md5 -
f -i e.flac -c:a libmp3lame -b:a 96k e.mp3 && ffprobe -loglevel error -show_entries stream=codec_name,sample_rate -of csv e.mp3
f -i nothing.mkv out.mkv 2>&1 || echo "status $?"
