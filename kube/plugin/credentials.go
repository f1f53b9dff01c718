package plugin

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/pkg/apis/clientauthentication"
	"k8s.io/client-go/pkg/apis/clientauthentication/install"
	v1 "k8s.io/client-go/pkg/apis/clientauthentication/v1"
	"k8s.io/client-go/pkg/apis/clientauthentication/v1beta1"
)

// A credentials is what one run of a plugin printed.
type credentials struct {
	token       string
	certificate *tls.Certificate
	expires     time.Time // zero if not known
	// late reports whether they had expired by this machine's clock when the plugin printed them. Then that clock or
	// the plugin's is wrong, or the plugin's cache is old: only the API server knows when they expire.
	late bool
}

// isExpired reports whether other credentials are needed.
func (c *credentials) isExpired(now time.Time) bool { return !c.late && c.isPast(now) }

// isPast reports whether they have expired by this machine's clock.
func (c *credentials) isPast(now time.Time) bool {
	return !c.expires.IsZero() && !now.Before(c.expires)
}

// A codec encodes and decodes ExecCredential in one version of its API.
type codec struct {
	version schema.GroupVersion
	codecs  serializer.CodecFactory
}

// codecOf returns the codec for the apiVersion of a user entry.
func codecOf(apiVersion string) (codec, error) {
	for _, version := range []schema.GroupVersion{v1.SchemeGroupVersion, v1beta1.SchemeGroupVersion} {
		if version.String() == apiVersion {
			scheme := runtime.NewScheme()
			install.Install(scheme)
			return codec{version, serializer.NewCodecFactory(scheme)}, nil
		}
	}
	return codec{}, fmt.Errorf("its apiVersion is neither %s nor %s", v1.SchemeGroupVersion, v1beta1.SchemeGroupVersion)
}

// encodeRequest returns what the plugin gets in KUBERNETES_EXEC_INFO.
func (c codec) encodeRequest(cluster *clientauthentication.Cluster) ([]byte, error) {
	ask := &clientauthentication.ExecCredential{Spec: clientauthentication.ExecCredentialSpec{Cluster: cluster}}
	return runtime.Encode(c.codecs.LegacyCodec(c.version), ask)
}

// decode decodes what a plugin printed. Its errors repeat none of it.
func (c codec) decode(output []byte) (*credentials, error) {
	answer := &clientauthentication.ExecCredential{}
	_, kind, err := c.codecs.UniversalDecoder(c.version).Decode(output, nil, answer)
	switch {
	case err != nil:
		return nil, errors.New("its output is not an ExecCredential")
	case kind.GroupVersion() != c.version:
		return nil, errors.New("its output has another API version than the kubeconfig asks for")
	case answer.Status == nil || answer.Status.Token == "" && answer.Status.ClientCertificateData == "":
		return nil, errors.New("its output has no credentials")
	}
	status := answer.Status
	given := &credentials{token: status.Token}
	if status.ExpirationTimestamp != nil {
		given.expires = status.ExpirationTimestamp.Time
	}
	if status.ClientCertificateData == "" && status.ClientKeyData == "" {
		return given, nil
	}
	pair, err := tls.X509KeyPair([]byte(status.ClientCertificateData), []byte(status.ClientKeyData))
	if err != nil {
		return nil, errors.New("its output has a client certificate and key that do not go together")
	}
	if pair.Leaf == nil {
		if pair.Leaf, err = x509.ParseCertificate(pair.Certificate[0]); err != nil {
			return nil, errors.New("its output has a client certificate that cannot be read")
		}
	}
	given.certificate = &pair
	return given, nil
}
