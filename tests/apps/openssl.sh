# SPDX-License-Identifier: MIT
# needs: openssl
# timeout: 180
# modes: tiny flush=1000
# Digests, ciphers, keys, signatures, certificates, the algorithms of speed, a TLS handshake on the loopback.
set -eu
seq 1 50000 >data
for a in md5 sha1 sha256 sha512 sha3-256 blake2b512 ripemd160 sm3; do openssl dgst -$a data; done
for c in aes-128-cbc aes-256-ctr aes-256-cbc aria-128-cbc camellia-256-cbc chacha20 des-ede3-cbc; do
	openssl enc -$c -K 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff -iv 0102030405060708090a0b0c0d0e0f10 -in data -out enc 2>/dev/null || { echo "no $c"; continue; }
	openssl dgst -md5 enc
	openssl enc -d -$c -K 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff -iv 0102030405060708090a0b0c0d0e0f10 -in enc 2>/dev/null | cmp - data && echo "$c back"
done
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa.pem 2>/dev/null
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ec.pem
openssl genpkey -algorithm ED25519 -out ed.pem
for k in rsa ec; do
	openssl pkey -in $k.pem -pubout -out $k.pub
	openssl dgst -sha256 -sign $k.pem -out sig data && openssl dgst -sha256 -verify $k.pub -signature sig data
done
openssl req -x509 -key ec.pem -subj /CN=localhost -days 2 -out cert.pem && openssl x509 -in cert.pem -noout -subject
openssl pkcs12 -export -inkey ec.pem -in cert.pem -passout pass:x -out p12 && openssl pkcs12 -in p12 -passin pass:x -nodes 2>/dev/null | grep -c BEGIN
# every algorithm that speed knows, briefly; the figures are not the point
openssl speed -seconds 1 -bytes 1024 -evp sha256 >/dev/null 2>&1 && echo speed
if [ -n "${LONG-}" ]; then openssl speed -seconds 1 -bytes 1024 >/dev/null 2>&1; fi
port=$((20000 + $$ % 20000))
: >server.out
openssl s_server -accept 127.0.0.1:$port -key ec.pem -cert cert.pem -www -naccept 2 >server.out 2>&1 &
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	grep -q ACCEPT server.out && break
	sleep 0.25
done
for v in -tls1_2 -tls1_3; do
	printf 'GET / HTTP/1.0\r\n\r\n' | openssl s_client -connect 127.0.0.1:$port $v -CAfile cert.pem -ign_eof -quiet 2>/dev/null | grep -E '^HTTP|Verification' | head -1
done
wait
echo done
