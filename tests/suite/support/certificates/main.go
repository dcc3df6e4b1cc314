// Writes the certificate of an authority, and one of 127.0.0.1 that it signed with its key, into a folder.
package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

func main() {
	folder := os.Args[1]
	authorityKey, serverKey := key(), key()
	authority := x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "an authority of the tests"},
		NotBefore:             time.Now().Add(-24 * time.Hour),
		NotAfter:              time.Now().AddDate(30, 0, 0),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	server := x509.Certificate{
		SerialNumber: big.NewInt(2),
		Subject:      pkix.Name{CommonName: "127.0.0.1"},
		NotBefore:    authority.NotBefore,
		NotAfter:     authority.NotAfter,
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	write(folder, "ca.pem", "CERTIFICATE", sign(&authority, authorityKey, authorityKey, &authority))
	write(folder, "server.pem", "CERTIFICATE", sign(&server, serverKey, authorityKey, &authority))
	encoded, err := x509.MarshalPKCS8PrivateKey(serverKey)
	check(err)
	write(folder, "server.key", "PRIVATE KEY", encoded)
}

func key() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(err)
	return key
}

func sign(certificate *x509.Certificate, own, by *ecdsa.PrivateKey, issuer *x509.Certificate) []byte {
	signed, err := x509.CreateCertificate(rand.Reader, certificate, issuer, &own.PublicKey, by)
	check(err)
	return signed
}

func write(folder, name, kind string, bytes []byte) {
	text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: bytes})
	check(os.WriteFile(filepath.Join(folder, name), text, 0o600))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
